// How often a lock is tried: seldom while one holds it for long, often beside others who commit.
import { expect, test } from 'vitest';
import { LockWait } from '../../../src/stores/sqlite/lock-wait.ts';

/** The pauses in so many milliseconds. */
function pauses(wait: LockWait, fromMs: number, untilMs: number, version: (now: number) => number): number[] {
  const all: number[] = [];
  for (let now = fromMs; now < untilMs; ) {
    const pause = wait.pauseMs(version(now), now);
    all.push(pause);
    now += pause;
  }
  return all;
}

test('a store that somebody keeps locked costs a few tries a second, and is noticed in half a second when it is free', () => {
  const wait = new LockWait();
  const first = pauses(wait, 0, 10_000, () => 7);
  expect(first.length).toBeLessThan(300);
  expect(wait.isLong(10_000)).toBe(true);
  // The next who waits for the same lock begins where the one before has given up.
  const later = pauses(wait, 10_000, 70_000, () => 7);
  expect(later.length).toBeLessThan(400);
  expect(Math.max(...later)).toBeLessThanOrEqual(500);
  expect(new Set(later).size).toBeGreaterThan(1); // at random
});

test('who waits beside others who commit tries all the time, however long it waits', () => {
  const wait = new LockWait();
  const all = pauses(wait, 0, 10_000, (now) => Math.floor(now / 50));
  expect(Math.max(...all)).toBeLessThanOrEqual(3);
  expect(wait.isLong(10_000)).toBe(false);
});

test('once the lock was free, the next wait begins anew', () => {
  const wait = new LockWait();
  pauses(wait, 0, 10_000, () => 7);
  wait.over();
  expect(wait.isLong(10_000)).toBe(false);
  expect(wait.pauseMs(7, 10_000)).toBeLessThanOrEqual(3);
});
