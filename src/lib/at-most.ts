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
