// What a retry says, a row for each option of `task.retry`.
import { check, duration } from '../lib/checks.ts';
import { checkOptions, type Options } from '../lib/schema.ts';
import { checkLimit, isKeywords, keywords, maxRetries, moment, name, time } from './checks.ts';
import { priority } from './priority.ts';

const list = check<readonly unknown[]>('a list', (value) => (Array.isArray(value) ? value : undefined));

const limit = check<number>('seconds', (value, what) =>
  typeof value === 'number' ? checkLimit(value, what) : undefined,
);

const retryOptions = {
  /** Until the next try; default `defaultRetryDelay`. */
  countdown: duration,
  /** When the next try is. */
  eta: moment,
  /** Overrides the task's; `null` = for ever. */
  maxRetries,
  /** Other arguments. */
  args: list,
  /** Other keyword arguments. */
  kwargs: keywords,
  /** Another queue. */
  queue: name,
  /** Another priority. */
  priority,
  /** Do not run after this time, or after this duration. */
  expires: time,
  /** Another time limit, in seconds. */
  timeLimit: limit,
  /** Another soft time limit, in seconds. */
  softTimeLimit: limit,
};

/** What a retry changes in the message that is sent again. */
export interface RetryOptions extends Options<typeof retryOptions> {}

/**
 * Checks what a retry says, so that it fails the task instead of making a message that no worker reads.
 * @throws UnknownOptionError, ConfigError
 */
export function checkRetryOptions(task: string, options: RetryOptions): void {
  checkOptions(retryOptions, options, `the retry of '${task}'`);
}

/** Whether this is what a retry says, and not an error: a plain object with nothing but its options. */
export function isRetryOptions(value: unknown): value is RetryOptions {
  if (!isKeywords(value)) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => Object.hasOwn(retryOptions, name));
}
