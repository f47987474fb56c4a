import type { Clock } from './clock.ts';

/**
 * Waits for something, but no longer than `ms`; resolves with whether it came to its end, and rejects if it does in this time. No timer is
 * left: that would keep the process.
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
 * Calls `late` after `ms`, unless what is returned is called before. Time in which this process was busy or stopped is not counted: it heard
 * nothing then, and what it had to send lay there. What has arrived by the end is read first. `background`: it does not keep the process.
 */
export function startDeadline(ms: number, late: () => void, { background = false } = {}): () => void {
  const partMs = Math.min(ms / 4, 1000);
  let leftMs = ms;
  let timer: NodeJS.Timeout;
  let reading: NodeJS.Immediate | undefined;
  const begin = (): void => {
    timer = setTimeout(end, partMs);
    if (background) timer.unref();
  };
  const end = (): void => {
    leftMs -= partMs; // however late this comes
    if (leftMs > 0) begin();
    // Timers that are due run before sockets are read, and this after.
    else reading = setImmediate(late);
  };
  begin();
  return () => {
    clearTimeout(timer);
    clearImmediate(reading);
  };
}

/**
 * The result of `work`, if it is there in time; else `late` makes the error. Nobody hears what the work comes to afterwards, and no timer is
 * left.
 * @throws what `work` throws, or what `late` returns
 */
export async function withDeadline<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  work.catch(() => undefined); // perhaps nobody waits for it any more
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
