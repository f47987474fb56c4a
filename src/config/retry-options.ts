// What a retry says: the options of `task.retry`.
import { ConfigError, UnknownOptionError } from '../errors.ts';
import type { Duration } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import { checkDuration, checkLimit, checkMoment, checkName, isKeywords } from './checks.ts';
import { checkPriority, type Priority } from './priority.ts';

/** What a retry changes in the message that is sent again. */
export interface RetryOptions {
  /** Seconds, or text; default `defaultRetryDelay`. */
  readonly countdown?: Duration;
  readonly eta?: Date;
  /** Overrides the task's; `null` = for ever. */
  readonly maxRetries?: number | null;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly queue?: string;
  readonly priority?: Priority;
  readonly expires?: Date | Duration;
  readonly timeLimit?: number;
  readonly softTimeLimit?: number;
}

/**
 * Checks what a retry says, so that it fails the task instead of making a message that no worker reads.
 * @throws UnknownOptionError, ConfigError
 */
export function checkRetryOptions(task: string, options: RetryOptions): void {
  const where = `the retry of '${task}'`;
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, option))
      throw new UnknownOptionError(option, where, suggest(option, Object.keys(checks)));
    if (value !== undefined) checks[option as keyof RetryOptions](value, `'${option}' in ${where}`, where); // it has it: see above
  }
}

/** Whether this is what a retry says, and not an error: a plain object with nothing but its options. */
export function isRetryOptions(value: unknown): value is RetryOptions {
  if (!isKeywords(value)) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => Object.hasOwn(checks, name));
}

type Check = (value: unknown, what: string, where: string) => void;

const isLimit: Check = (value, what) => {
  if (typeof value !== 'number') throw new ConfigError(`${what} must be seconds`);
  checkLimit(value, what);
};

const checks: { readonly [Name in keyof Required<RetryOptions>]: Check } = {
  countdown: checkDuration,
  eta: checkMoment,
  expires: (value, what) => (value instanceof Date ? checkMoment : checkDuration)(value, what),
  maxRetries: (value, what) => {
    if (value !== null && !(Number.isInteger(value) && Number(value) >= 0)) {
      throw new ConfigError(`${what} must be a whole number from 0, or null for no limit`);
    }
  },
  args: (value, what) => {
    if (!Array.isArray(value)) throw new ConfigError(`${what} must be a list`);
  },
  kwargs: (value, what) => {
    if (!isKeywords(value)) throw new ConfigError(`${what} must be a plain object`);
  },
  queue: checkName,
  priority: checkPriority,
  timeLimit: isLimit,
  softTimeLimit: isLimit,
};
