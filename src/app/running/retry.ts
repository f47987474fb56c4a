// Whether and when a task is run again.

import { checkDate } from '../../config/checks.ts';
import { checkRetryOptions, type RetryOptions } from '../../config/retry-options.ts';
import { MaxRetriesExceeded } from '../../errors.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { toMs } from '../../lib/duration.ts';
import type { ResolvedTaskOptions } from '../task-options.ts';
import { Ignore, Reject, Retry } from './outcome.ts';

/** The run that is to be repeated. */
interface Repeatable {
  readonly name: string;
  readonly id: string;
  /** How many retries there were so far. */
  readonly retries: number;
  readonly options: ResolvedTaskOptions;
}

/** Time and randomness, passed in so that tests can fix them. */
interface RetryFacts {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly random: () => number;
}

/**
 * Makes the error that runs a task again.
 * @throws `cause` when the retries are used up, as in Celery; MaxRetriesExceeded when there is no cause
 */
export function makeRetry(run: Repeatable, cause: unknown, options: RetryOptions, facts: RetryFacts): Retry {
  checkRetryOptions(run.name, options);
  const most = options.maxRetries === undefined ? run.options.maxRetries : options.maxRetries;
  if (most !== null && run.retries >= most) {
    throw cause instanceof Error ? cause : new MaxRetriesExceeded(run.name, run.id, most, { cause });
  }
  return new Retry(retryTime(run, options, facts), options, cause);
}

/**
 * Whether an error of the task's code retries it. Celery's rules: Retry, Ignore and Reject never do, and `dontAutoretryFor` takes precedence
 * over `autoretryFor`.
 */
export function isRetriedByItself(error: unknown, options: ResolvedTaskOptions): boolean {
  if (options.autoretryFor.length === 0) return false;
  if (error instanceof Retry || error instanceof Ignore || error instanceof Reject) return false;
  if (options.dontAutoretryFor.some((type) => error instanceof type)) return false;
  return options.autoretryFor.some((type) => error instanceof type);
}

function retryTime(run: Repeatable, { eta, countdown }: RetryOptions, { now, random }: RetryFacts): Date {
  if (eta !== undefined) return eta;
  const ms = countdown === undefined ? delayMs(run, random) : toMs(countdown);
  return checkDate(now + ms, `the time of the retry of '${run.name}'`);
}

/**
 * Celery uses the backoff for `autoretryFor` only, and 180 s for a bare `task.retry()`. Here a task with a backoff uses it for both.
 */
function delayMs({ options, retries }: Repeatable, random: () => number): number {
  const { retryBackoff: factor, retryBackoffMax: maximum, retryJitter: jitter, defaultRetryDelay } = options;
  const seconds =
    factor === null ? defaultRetryDelay : backoffDelay({ factor, maximum, jitter }, retries, random);
  return seconds * 1000;
}
