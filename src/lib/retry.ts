// Doing again what failed, with pauses that grow.
import { type Backoff, backoffDelay } from './backoff.ts';
import type { Clock } from './clock.ts';

interface RetryRules {
  /** The pauses, milliseconds. */
  readonly policy: Backoff;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Ends a pause; nothing is begun any more. */
  readonly signal?: AbortSignal | undefined;
  /** Whether it may be tried again after this; it may if this is left out. `failures`: how many there were before this one. */
  readonly when?: (error: unknown, failures: number) => boolean;
  /** Told of the first failure, and of every tenth after it, before the pause. */
  readonly log?: (error: unknown, pauseMs: number) => void;
  /** No pause is longer than this is when it begins, milliseconds. */
  readonly leftMs?: () => number;
}

/**
 * Does the work until it succeeds. Null: the signal came before. The work is told how many failures there were.
 * @throws what `when` says no to
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
