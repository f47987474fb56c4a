import { expect, test } from 'vitest';
import { openMemoryBackend } from '../../../src/stores/memory/memory-backend.ts';
import { DuplicateGuard } from '../../../src/worker/admission/duplicate-guard.ts';
import { until } from '../../until.ts';
import { FakeClock } from '../fake-clock.ts';
import { someMessage } from '../some-message.ts';

const lost = new AbortController().signal;

/** Two workers with one store of results. `arrives` takes a message of this retry to one of them, and names it when it may go on. */
function bench(twoSteps: boolean) {
  const clock = new FakeClock();
  const store = crypto.randomUUID();
  const retry = async (_: string, __: AbortSignal, operation: () => Promise<void>): Promise<boolean> => {
    await operation();
    return true;
  };
  const workers = [1, 2].map(() => {
    const backend = openMemoryBackend(store, { expiresMs: 60_000, clock });
    return new DuplicateGuard({ mayDuplicate: twoSteps, retry }, backend, clock);
  });
  const gone: string[] = [];
  const arrives = (worker: 0 | 1, retries: number): void => {
    const message = someMessage({ id: 'same', retries });
    void workers[worker]?.await(message, { lost }).then(() => gone.push(`${worker}: retry ${retries}`));
  };
  return { clock, gone, arrives };
}

test('of two messages of one retry that come in the same moment, the second waits until the first may have ended', async () => {
  const { clock, gone, arrives } = bench(true);
  arrives(0, 1);
  await until(() => gone.length === 1);
  arrives(1, 1);
  arrives(1, 2); // another retry is another message
  await until(() => gone.length === 2 && clock.sleeping === 1);
  expect(gone).toEqual(['0: retry 1', '1: retry 2']);
  for (let waited = 0; waited < 1400; waited += 100) await clock.advance(100);
  expect(gone).toHaveLength(2);
  await clock.advance(100);
  expect(gone).toEqual(['0: retry 1', '1: retry 2', '1: retry 1']);
});

test('where a message and its acknowledgement are one step nobody waits', async () => {
  const { clock, gone, arrives } = bench(false);
  arrives(0, 1);
  arrives(1, 1);
  await until(() => gone.length === 2);
  expect(gone).toEqual(['0: retry 1', '1: retry 1']);
  expect(clock.sleeping).toBe(0);
});
