import { describe, expect, it } from 'vitest';
import { deferDelayMs, OncePerMinute } from '../../src/worker/unknown-task.ts';

describe('a message of an unknown task is deferred', () => {
  it('for longer and longer, and for exactly the grace in total', () => {
    const delays: number[] = [];
    for (let delay = deferDelayMs(0, 60_000); delay !== null; delay = deferDelayMs(delays.length, 60_000))
      delays.push(delay);
    const long = delays.filter((delay) => delay > 25);
    expect(long.slice(0, -1)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
    expect(delays.reduce((sum, delay) => sum + delay)).toBe(60_000);
  });

  it('shortly a few times before each long delay, so that it goes round to all who wait for it', () => {
    const delays = Array.from({ length: 15 }, (_, deferrals) => deferDelayMs(deferrals, 60_000));
    expect(delays).toEqual([...Array(6).fill(25), 1000, ...Array(6).fill(25), 2000, 25]);
  });

  it('not at all without a grace', () => {
    expect(deferDelayMs(0, 0)).toBeNull();
  });

  it('for less than a second when the grace is less', () => {
    expect(deferDelayMs(0, 20)).toBe(20);
    expect(deferDelayMs(1, 20)).toBeNull();
    expect(deferDelayMs(6, 300)).toBe(150);
    expect(deferDelayMs(7, 300)).toBeNull();
  });

  it('by a count that is beyond any grace without counting up to it', () => {
    expect(deferDelayMs(Number.MAX_SAFE_INTEGER, 60_000)).toBeNull();
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
