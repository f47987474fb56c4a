import { describe, expect, it } from 'vitest';
import { OncePerMinute, parkDelayMs } from '../../src/worker/unknown-task.ts';

describe('a message of an unknown task is put aside', () => {
  it('for longer and longer, and for exactly the grace in total', () => {
    const delays: number[] = [];
    for (let delay = parkDelayMs(0, 60_000); delay !== null; delay = parkDelayMs(delays.length, 60_000))
      delays.push(delay);
    expect(delays).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000, 5000]);
  });

  it('not at all without a grace', () => {
    expect(parkDelayMs(0, 0)).toBeNull();
  });

  it('for less than a second when the grace is less', () => {
    expect(parkDelayMs(0, 300)).toBe(300);
    expect(parkDelayMs(1, 300)).toBeNull();
  });

  it('by a count that is beyond any grace without counting up to it', () => {
    expect(parkDelayMs(Number.MAX_SAFE_INTEGER, 60_000)).toBeNull();
  });
});

describe('a name is mentioned', () => {
  it('once a minute', () => {
    const once = new OncePerMinute();
    expect([0, 1, 59_999, 60_000, 60_001].map((now) => once.allows('shop.ad', now))).toEqual([
      true,
      false,
      false,
      true,
      false,
    ]);
  });

  it('whatever other names are', () => {
    const once = new OncePerMinute();
    expect(once.allows('a', 0)).toBe(true);
    expect(once.allows('b', 0)).toBe(true);
  });

  it('and forgotten for newer ones, so that invented names cost no memory', () => {
    const once = new OncePerMinute();
    for (let index = 0; index <= 1000; index++) once.allows(`name ${index}`, 0);
    expect(once.allows('name 0', 1)).toBe(true);
    expect(once.allows('name 1000', 1)).toBe(false);
  });
});
