import { setTimeout as sleep } from 'node:timers/promises';

/** Time, passed in so that tests can set it. */
export interface Clock {
  /** Milliseconds since 1970 (wall clock: may jump). */
  now(): number;
  /** Milliseconds since any start; never goes back. For durations. */
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

/** The longest time of a timer, milliseconds (31 bits, 25 days); with a longer one it fires at once. */
export const longestTimerMs: number = 2 ** 31 - 1;
