import { describe, expect, it } from 'vitest';
import { atMost } from '../../src/lib/at-most.ts';
import { systemClock } from '../../src/lib/clock.ts';

describe('at most so long', () => {
  /** The clock, and what became of each of its timers. */
  function watched(): { clock: Parameters<typeof atMost>[2]; signals: AbortSignal[] } {
    const signals: AbortSignal[] = [];
    const clock = {
      sleep(ms: number, signal?: AbortSignal): Promise<void> {
        if (signal !== undefined) signals.push(signal);
        return systemClock.sleep(ms, signal);
      },
    };
    return { clock, signals };
  }

  it('says whether the work came to its end, and leaves no timer', async () => {
    const { clock, signals } = watched();
    expect(await atMost(60_000, Promise.resolve('any'), clock)).toBe(true);
    expect(await atMost(1, new Promise(() => undefined), clock)).toBe(false);
    await expect(atMost(60_000, Promise.reject(new Error('no')), clock)).rejects.toThrow('no');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
  });
});
