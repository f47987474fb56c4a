// The options of `task.retry`, a row for each.
import { check, duration } from '../lib/checks.ts';
import { checkOptions, type Options } from '../lib/schema.ts';
import { checkLimit, isKeywords, keywords, maxRetries, moment, name, time } from './checks.ts';
import { priority } from './priority.ts';

const list = check<readonly unknown[]>('a list', (value) => (Array.isArray(value) ? value : undefined));

const limit = check<number>('seconds', (value, what) =>
  typeof value === 'number' ? checkLimit(value, what) : undefined,
);

const retryOptions = {
  /** Delay until the next attempt; default `defaultRetryDelay`. */
  countdown: duration,
  /** The time of the next attempt. */
  eta: moment,
  /** Overrides the task's `maxRetries`; `null` = without limit. */
  maxRetries,
  /** Other arguments. */
  args: list,
  /** Other keyword arguments. */
  kwargs: keywords,
  /** Another queue. */
  queue: name,
  /** Another priority. */
  priority,
  /** Do not run after this time, or after this duration from now. */
  expires: time,
  /** Another time limit, in seconds. */
  timeLimit: limit,
  /** Another soft time limit, in seconds. */
  softTimeLimit: limit,
};

/** The changes of a retry to the message that is sent again. */
export interface RetryOptions extends Options<typeof retryOptions> {}

/**
 * Checks the options of a retry, so that a wrong option fails the task instead of sending a message that no worker can read.
 * @throws UnknownOptionError, ConfigError
 */
export function checkRetryOptions(task: string, options: RetryOptions): void {
  checkOptions(retryOptions, options, `the retry of '${task}'`);
}

/** Whether a value is the options of a retry and not an error: a plain object that has only such options. */
export function isRetryOptions(value: unknown): value is RetryOptions {
  if (!isKeywords(value)) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => Object.hasOwn(retryOptions, name));
}
