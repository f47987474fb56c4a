/** Time, passed in so that tests can set it. */
export interface Clock {
  /** Milliseconds since 1970 (wall clock: may jump). */
  now(): number;
  /** Milliseconds since any start; never goes back. For durations. */
  monotonic(): number;
  /** Calls back after `ms`. Returns what calls that off. */
  after(ms: number, then: () => void): () => void;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, then) {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const more = leftMs > longestTimerMs;
      timer = setTimeout(
        () => (more ? wait(leftMs - longestTimerMs) : then()),
        more ? longestTimerMs : leftMs,
      );
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
  sleep(ms, signal) {
    return sleepOn(this, ms, signal);
  },
};

/** `Clock.sleep` of a clock that has the rest. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  // Not Node's own promise of a timer: that makes an error with its stack for each sleep that is called off, and most are.
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => {
      callOff();
      reject(signal?.reason);
    };
    const callOff = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** The longest time of a timer, milliseconds (31 bits, 25 days); with a longer one it fires at once. */
export const longestTimerMs: number = 2 ** 31 - 1;
