import { expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';

test('a sleep of months is not over at once', async () => {
  await expect(systemClock.sleep(90 * 86_400_000, AbortSignal.timeout(30))).rejects.toMatchObject({
    name: 'TimeoutError',
  });
});

test('a sleep ends when its time is over', async () => {
  const before = systemClock.monotonic();
  await systemClock.sleep(20);
  expect(systemClock.monotonic() - before).toBeGreaterThan(18);
});

test('a sleep that is aborted before it begins rejects with the reason', async () => {
  await expect(systemClock.sleep(1, AbortSignal.abort('why'))).rejects.toBe('why');
});
