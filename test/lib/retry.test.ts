import { describe, expect, it } from 'vitest';
import { retrying } from '../../src/lib/retry.ts';

describe('retrying', () => {
  const policy = { factor: 10, maximum: 60, jitter: false };

  /** Fails so often, then answers with how often it was asked. */
  function failing(times: number): (failures: number) => Promise<number> {
    return async (failures) => {
      if (failures < times) throw new Error(`failure ${failures}`);
      return failures;
    };
  }

  /** Sleeps for no time, and remembers for how long it should have. */
  function noted(): { readonly slept: number[]; sleep(ms: number, signal?: AbortSignal): Promise<void> } {
    const slept: number[] = [];
    return {
      slept,
      async sleep(ms, signal) {
        signal?.throwIfAborted();
        slept.push(ms);
      },
    };
  }

  it('pauses longer each time until it succeeds, and tells of the first failure and of each tenth', async () => {
    const clock = noted();
    const told: unknown[] = [];
    const log = (error: unknown, pauseMs: number): void => void told.push([String(error), pauseMs]);
    expect(await retrying(failing(12), { policy, clock, log })).toBe(12);
    expect(clock.slept).toEqual([10, 20, 40, ...Array(9).fill(60)]);
    expect(told).toEqual([
      ['Error: failure 0', 10],
      ['Error: failure 10', 60],
    ]);
  });

  it('throws what is not to be tried again, and pauses no longer than there is time', async () => {
    const clock = noted();
    const when = (_: unknown, failures: number): boolean => failures < 2;
    const leftMs = (): number => 15;
    await expect(retrying(failing(5), { policy, clock, when, leftMs })).rejects.toThrow('failure 2');
    expect(clock.slept).toEqual([10, 15]);
  });

  it('begins nothing after the signal, also when that comes while it pauses', async () => {
    const stop = new AbortController();
    const { signal } = stop;
    let tries = 0;
    const work = async (): Promise<never> => {
      if (++tries === 3) stop.abort();
      throw new Error('no');
    };
    expect(await retrying(work, { policy, clock: noted(), signal })).toBeNull();
    expect(await retrying(work, { policy, clock: noted(), signal })).toBeNull();
    expect(tries).toBe(3);
  });
});
