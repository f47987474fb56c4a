// Repeating an operation that failed, with pauses that grow.
import { type Backoff, backoffDelay } from './backoff.ts';
import type { Clock } from './clock.ts';

interface RetryRules {
  /** The pauses, milliseconds. */
  readonly policy: Backoff;
  readonly clock: Pick<Clock, 'sleep'>;
  /** When it is aborted, the pause ends, and no attempt begins any more. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to try again after this error; default: always. `failures`: the number of failures before this one. */
  readonly when?: (error: unknown, failures: number) => boolean;
  /** Called before the pause, for the first failure and for every tenth after it. */
  readonly log?: (error: unknown, pauseMs: number) => void;
  /** The longest that a pause may be when it begins, milliseconds. */
  readonly leftMs?: () => number;
}

/**
 * Repeats the work until it succeeds. Null: the signal was aborted first. The work gets the number of failures before.
 * @throws an error for which `when` returns false
 */
export function retrying<T>(
  work: (failures: number) => Promise<T>,
  rules: RetryRules & { readonly signal: AbortSignal | undefined },
): Promise<T | null>;
export function retrying<T>(
  work: (failures: number) => Promise<T>,
  rules: Omit<RetryRules, 'signal'>,
): Promise<T>;
export async function retrying<T>(
  work: (failures: number) => Promise<T>,
  { policy, clock, signal, when, log, leftMs }: RetryRules,
): Promise<T | null> {
  for (let failures = 0; signal?.aborted !== true; failures++) {
    try {
      return await work(failures);
    } catch (error) {
      if (when?.(error, failures) === false) throw error;
      const pauseMs = Math.min(backoffDelay(policy, failures), leftMs?.() ?? Number.POSITIVE_INFINITY);
      if (failures % 10 === 0) log?.(error, pauseMs);
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }
  return null;
}
