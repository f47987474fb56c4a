import type { Clock } from './clock.ts';

/**
 * Waits for a promise, at most for `ms`. Resolves with whether it was resolved in this time, and rejects if it was rejected. Leaves no timer, which
 * would keep the process alive.
 */
export async function atMost(
  ms: number,
  work: Promise<unknown>,
  clock: Pick<Clock, 'sleep'>,
): Promise<boolean> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(
    () => false,
    () => false,
  );
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    done.abort();
  }
}

/**
 * Calls `late` after `ms`, unless the returned function is called before. Time in which this process was busy or stopped does not count: it received
 * nothing then, and could not send. Answers that have arrived by the end are read first. `background`: the timer does not keep the process alive.
 */
export function startDeadline(ms: number, late: () => void, { background = false } = {}): () => void {
  const endsAt = performance.now() + ms;
  const partMs = Math.min(ms / 4, 1000);
  let leftMs = ms;
  let timer: NodeJS.Timeout;
  let reading: NodeJS.Immediate | undefined;
  const begin = (forMs: number): void => {
    timer = setTimeout(end, Math.ceil(forMs));
    if (background) timer.unref();
  };
  const end = (): void => {
    leftMs -= partMs; // however late this timer fires
    const earlyMs = endsAt - performance.now(); // a timer may be a millisecond early
    if (leftMs > 0) begin(partMs);
    else if (earlyMs > 0) begin(earlyMs);
    // Timers that are due run before sockets are read, and `setImmediate` after.
    else reading = setImmediate(late);
  };
  begin(partMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(reading);
  };
}

/**
 * The result of `work`, if it is there in time; otherwise `late` makes the error. A later result or error of `work` is ignored, and no timer is
 * left.
 * @throws what `work` throws, or what `late` returns
 */
export async function withDeadline<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  work.catch(() => undefined); // it may be rejected after the deadline
  let end: (() => void) | undefined;
  const over = new Promise<never>((_, reject) => {
    end = startDeadline(ms, () => reject(late()));
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    end?.();
  }
}
