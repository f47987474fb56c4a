// The response to a failed request: RFC 9457, application/problem+json.
import { STATUS_CODES } from 'node:http';
import {
  BrokerUnavailable,
  DuplicateTaskError,
  InvalidArgumentsError,
  NotReplayableError,
  NotSerializableError,
  PayloadTooLargeError,
  ReservedNameError,
  SendUnconfirmed,
  StoreLostError,
  TaskNotRetriableError,
  UmbelError,
  UnknownTaskError,
} from '../errors.ts';

/** An error in a value of the body, or in a parameter of the query. */
export interface ProblemDetail {
  /** JSONPath-like, `$` being the body: `$.rows[3].id`. */
  readonly path?: string;
  readonly parameter?: string;
  readonly message: string;
}

interface ProblemOptions {
  readonly errors?: readonly ProblemDetail[];
  readonly headers?: Readonly<Record<string, string>>;
  /** The stable code of the error that caused it, for programs. */
  readonly code?: string;
  readonly cause?: unknown;
}

/** A handler throws it to respond with this status and reason. */
export class Problem extends Error {
  readonly status: number;
  readonly errors: readonly ProblemDetail[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly code: string | undefined;

  constructor(status: number, detail: string, { errors, headers = {}, code, cause }: ProblemOptions = {}) {
    super(detail, { cause });
    this.status = status;
    this.errors = errors;
    this.headers = headers;
    this.code = code;
  }
}

/** A 400 for wrong parameters of the query. */
export function wrongQuery(errors: readonly ProblemDetail[]): Problem {
  const what = errors.length === 1 ? 'a wrong parameter' : 'wrong parameters';
  const each = errors.map(({ parameter, message }) => `${parameter} ${message}`).join('; ');
  return new Problem(400, `the query has ${what}: ${each}`, { errors });
}

interface ProblemDocument {
  /** Always `about:blank`: `status` and `code` identify the problem. */
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The path of the request. */
  readonly instance: string;
  readonly requestId: string;
  readonly code?: string;
  readonly errors?: readonly ProblemDetail[];
}

export function toDocument(problem: Problem, instance: string, requestId: string): ProblemDocument {
  return {
    type: 'about:blank',
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.message,
    instance,
    requestId,
    ...(problem.code !== undefined && { code: problem.code }),
    ...(problem.errors !== undefined && { errors: problem.errors }),
  };
}

/** Converts an error to a response. The response to an internal error has no details; the log has them. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UmbelError) {
    const { code } = error;
    if (error instanceof ReservedNameError) return new Problem(400, error.message, { code, cause: error });
    if (error instanceof UnknownTaskError) return new Problem(404, error.message, { code, cause: error });
    if (error instanceof InvalidArgumentsError) {
      return new Problem(422, error.message, { code, errors: error.issues, cause: error });
    }
    if (error instanceof NotSerializableError) {
      const errors = [{ path: error.path, message: error.message }];
      return new Problem(422, error.message, { code, errors, cause: error });
    }
    if (error instanceof NotReplayableError) return new Problem(409, error.message, { code, cause: error });
    if (error instanceof TaskNotRetriableError)
      return new Problem(409, error.message, { code, cause: error });
    if (error instanceof DuplicateTaskError) return new Problem(409, error.message, { code, cause: error });
    if (error instanceof PayloadTooLargeError) return new Problem(413, error.message, { code, cause: error });
    if (error instanceof SendUnconfirmed) {
      const id = error.taskIds.join(', ');
      const detail = `the broker did not confirm the task ${id}; repeat the request with the same Idempotency-Key, or without a key with task_id=${id}: 202 means that it is sent now, 409 that it was sent before`;
      return new Problem(503, detail, { code, headers: { 'Retry-After': '5' }, cause: error });
    }
    if (error instanceof BrokerUnavailable || error instanceof StoreLostError) {
      const detail = 'the broker or the result backend is unavailable, and nothing was sent; try again';
      return new Problem(503, detail, { code, headers: { 'Retry-After': '5' }, cause: error });
    }
  }
  return new Problem(500, 'internal error; the log of the server has the details under this request id', {
    cause: error,
  });
}
