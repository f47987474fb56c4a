import { setTimeout as sleep } from 'node:timers/promises';

/** Time, given to those who need it so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970 (wall clock: may jump). */
  now(): number;
  /** Milliseconds since some start (never goes back). For durations. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    if (signal?.aborted) throw signal.reason;
    try {
      for (let leftMs = ms; ; leftMs -= longestTimerMs) {
        await sleep(Math.min(leftMs, longestTimerMs), undefined, signal ? { signal } : {});
        if (leftMs <= longestTimerMs) return;
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

/** A timer takes 31 bits (25 days), and fires at once for more. */
export const longestTimerMs: number = 2 ** 31 - 1;
