// Filters for dead letters, and decoding the call that a dead letter carries.

import { moment, name } from '../config/checks.ts';
import { globMatcher } from '../config/glob.ts';
import { ConfigError } from '../errors.ts';
import { check, text } from '../lib/checks.ts';
import { checkOptions } from '../lib/schema.ts';
import { suggest } from '../lib/suggest.ts';
import { decodeEnvelope } from '../protocol/envelope.ts';
import { decodeTask } from '../protocol/task.ts';
import { type DeadReason, deadReasons, type StoredDeadLetter as Stored } from '../stores/transport.ts';
import type { DeadCall, DeadLetter, DeadLetterFilter } from './dead-letters.ts';

/** A stored dead letter with its decoded call. */
export function opened(letter: Stored): DeadLetter {
  const { id, queue, reason, detail, diedAt, crashes, raw } = letter;
  let call: DeadCall | null | undefined;
  return {
    id,
    queue,
    reason,
    detail,
    diedAt,
    crashes,
    raw,
    get call() {
      if (call === undefined) call = callOf(raw);
      return call;
    },
  };
}

/** @throws ConfigError, UnknownOptionError */
export function matcherOf(filter: DeadLetterFilter): (letter: DeadLetter) => boolean {
  checkOptions(filterOptions, filter, 'a filter of dead letters');
  const { queue, diedBefore, diedAfter } = filter;
  const wanted = filter.reason === undefined ? null : new Set([filter.reason].flat());
  const isTask = filter.task === undefined ? null : taskMatcher(filter.task);
  const hasText = filter.text === undefined ? null : textMatcher(filter.text);
  return (letter) =>
    (queue === undefined || letter.queue === queue) &&
    (wanted === null || wanted.has(letter.reason)) &&
    (diedBefore === undefined || letter.diedAt < diedBefore) &&
    (diedAfter === undefined || letter.diedAt > diedAfter) &&
    (isTask === null || (letter.call !== null && isTask(letter.call.task))) &&
    (hasText === null || hasText(letter));
}

/** The reasons that a filter may ask for. */
export const reasons: readonly DeadReason[] = deadReasons;

const reason = check<DeadReason | readonly DeadReason[]>('a reason, or a list of reasons', (value) => {
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  return given.map((each) => checkReason(String(each)));
});

export const filterOptions = {
  /** A name, a name with `*` for any text (`'mail.*'`), or a pattern. */
  task: check<string | RegExp>('a name or a pattern', (value, what) =>
    value instanceof RegExp ? value : name.accept(value, what),
  ),
  /** The queue from which it came. */
  queue: name,
  /** Why it became a dead letter. */
  reason,
  /** Before this time. */
  diedBefore: moment,
  /** After this time. */
  diedAfter: moment,
  /** Text that occurs in the arguments, written as JSON; if the message is no task, in its bytes. */
  text,
};

/** @throws ConfigError for a word that is no reason */
export function checkReason(word: string): DeadReason {
  const reason = reasons.find((each) => each === word);
  if (reason !== undefined) return reason;
  const hint = suggest(word, reasons);
  throw new ConfigError(
    `'${word}' is no reason of dead letters; ${hint ? `did you mean '${hint}'?` : `there are ${reasons.join(', ')}`}`,
  );
}

function taskMatcher(task: string | RegExp): (name: string) => boolean {
  if (typeof task === 'string' && !task.includes('*')) return (name) => name === task;
  // Without `g` and `y`, with which a pattern keeps its position between tests.
  const pattern =
    typeof task === 'string' ? globMatcher(task) : new RegExp(task.source, task.flags.replace(/[gy]/g, ''));
  return (name) => pattern.test(name);
}

function textMatcher(text: string): (letter: DeadLetter) => boolean {
  const inJson = JSON.stringify(text).slice(1, -1); // quotes are escaped in JSON
  return ({ call, raw }) => {
    if (call === null) return bytesOf(raw).some((bytes) => Buffer.from(bytes).includes(text));
    const argsText = `${toText(call.args)}\n${toText(call.kwargs)}`;
    return argsText.includes(text) || argsText.includes(inJson);
  };
}

/** The bytes of the message, and of the body in its envelope, if it has one (there the body is in base64). */
function bytesOf(raw: Uint8Array): readonly Uint8Array[] {
  const wire = decodeEnvelope(raw);
  return wire.ok ? [raw, wire.value.body] : [raw];
}

function toText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? String(member) : member,
  );
}

function callOf(raw: Uint8Array): DeadCall | null {
  const wire = decodeEnvelope(raw);
  const decoded = wire.ok ? decodeTask(wire.value) : wire;
  if (!decoded.ok) return null;
  const { id, task, args, kwargs, argsrepr, kwargsrepr, retries, eta, expires, origin } = decoded.value;
  return { id, task, args, kwargs, argsrepr, kwargsrepr, retries, eta, expires, origin };
}
