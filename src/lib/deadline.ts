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
 * The result of `work`, if it is there in time; else `late` makes the error. Nobody hears what the work comes to afterwards, and no timer is
 * left.
 * @throws what `work` throws, or what `late` returns
 */
export async function withDeadline<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  work.catch(() => undefined); // perhaps nobody waits for it any more
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}
