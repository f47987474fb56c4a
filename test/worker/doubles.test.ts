import { expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { openMemoryBackend } from '../../src/results/memory/memory-backend.ts';
import { Doubles } from '../../src/worker/doubles.ts';
import { someMessage } from './some-message.ts';

const lost = new AbortController().signal;

function doubles(twoSteps: boolean): (retries: number) => Promise<number> {
  const insist = async (_: string, __: AbortSignal, operation: () => Promise<void>): Promise<boolean> => {
    await operation();
    return true;
  };
  const backend = openMemoryBackend('doubles', { expiresMs: 60_000 });
  const each = new Doubles({ doubles: twoSteps, insist }, backend, systemClock);
  return async (retries) => {
    const since = performance.now();
    await each.await(someMessage({ id: 'same', retries }), { lost });
    return performance.now() - since;
  };
}

test('of two messages of one retry that come in the same moment, the second waits until the first may have ended', async () => {
  const [one, another] = [doubles(true), doubles(true)];
  const [first, second, next] = await Promise.all([one(1), another(1), another(2)]);
  expect(second - first).toBeGreaterThan(1000);
  expect(second - next).toBeGreaterThan(1000); // another retry is another message
});

test('where a message and its acknowledgement are one step nobody waits', async () => {
  const each = doubles(false);
  const [first, second] = await Promise.all([each(1), each(1)]);
  expect(Math.max(first, second)).toBeLessThan(1000);
});
