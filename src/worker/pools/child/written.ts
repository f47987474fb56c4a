// The outcome of a run as text, and back.
import { type Outcome, Retry } from '../../../app/running/outcome.ts';
import type { RetryOptions } from '../../../config/retry-options.ts';
import { encodeException, WrittenError } from '../../../protocol/exception.ts';
import { decodeJson, encodeJson } from '../../../protocol/json.ts';
import { isMap } from '../../../protocol/refusal.ts';
import type { ResultTuple } from '../../../protocol/result-meta.ts';
import { decodeSignature } from '../../../protocol/signature-wire.ts';
import type { WrittenEnd, WrittenFailure } from './messages.ts';

/** A value that has no form on the wire becomes a failure, as in the worker. */
export function writeOutcome(outcome: Outcome): WrittenEnd['outcome'] {
  switch (outcome.kind) {
    case 'success':
      try {
        return { kind: 'success', value: encodeJson(outcome.value === undefined ? null : outcome.value) };
      } catch (error) {
        return { kind: 'failure', failure: writeFailure(error), expected: false };
      }
    case 'failure':
      return { kind: 'failure', failure: writeFailure(outcome.error), expected: outcome.expected };
    case 'retry': {
      const { at, options, cause } = outcome.retry;
      try {
        const failure = cause === undefined ? null : writeFailure(cause);
        return { kind: 'retry', at: at.getTime(), options: encodeJson(options), cause: failure };
      } catch (error) {
        return { kind: 'failure', failure: writeFailure(error), expected: false };
      }
    }
    case 'replaced':
      try {
        return { kind: 'replaced', signature: encodeJson(outcome.signature) };
      } catch (error) {
        return { kind: 'failure', failure: writeFailure(error), expected: false };
      }
    default:
      return outcome;
  }
}

export function readOutcome(written: WrittenEnd['outcome']): Outcome {
  switch (written.kind) {
    case 'success':
      return { kind: 'success', value: read(written.value) };
    case 'failure':
      return { kind: 'failure', error: readFailure(written.failure), expected: written.expected };
    case 'retry': {
      const options = read(written.options);
      const cause = written.cause === null ? undefined : readFailure(written.cause);
      // As `task.retry` made it in the child.
      const given = (isMap(options) ? options : {}) as RetryOptions;
      return { kind: 'retry', retry: new Retry(new Date(written.at), given, cause) };
    }
    case 'replaced': {
      const signature = decodeSignature(read(written.signature));
      if (signature.ok) return { kind: 'replaced', signature: signature.value };
      return { kind: 'failure', error: new Error(signature.refusal.detail), expected: false };
    }
    default:
      return written;
  }
}

export function writeChildren(children: readonly ResultTuple[]): string {
  return encodeJson(children);
}

export function readChildren(text: string): readonly ResultTuple[] {
  const children = read(text);
  return Array.isArray(children) ? children.filter(Array.isArray) : [];
}

function writeFailure(error: unknown): WrittenFailure {
  const { exception, traceback } = encodeException(error);
  const name = error instanceof Error ? error.name : 'Error';
  const message = error instanceof Error ? error.message : String(error);
  return { name, message, exception: encodeJson(exception), traceback };
}

function readFailure({ name, message, exception, traceback }: WrittenFailure): WrittenError {
  return new WrittenError(name, message, { exception: read(exception), traceback });
}

function read(text: string): unknown {
  const decoded = decodeJson(text);
  if (decoded.ok) return decoded.value;
  throw new TypeError(`a child's answer cannot be read: ${decoded.refusal.detail}`);
}
