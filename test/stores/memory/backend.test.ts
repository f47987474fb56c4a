import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import type { ResultBackend } from '../../../src/stores/backend.ts';
import { openMemoryBackend } from '../../../src/stores/memory/memory-backend.ts';
import { FakeClock } from '../../../src/testing/fake-clock.ts';
import { patienceMs } from '../../until.ts';

const hourMs = 3_600_000;
let clock: FakeClock;
let backend: ResultBackend;
beforeEach(() => {
  clock = new FakeClock();
  backend = openMemoryBackend('memory-backend', { expiresMs: hourMs, clock });
});
afterEach(() => backend.close());

const record = (taskId: string, status: string): ResultRecord => ({
  taskId,
  status,
  result: null,
  traceback: null,
  children: [],
  dateDone: null,
});

test('a result is kept for as long as was told, from the end of the task', async () => {
  await backend.put(record('a', 'STARTED'));
  await clock.advance(hourMs);
  await backend.put(record('a', 'SUCCESS'));
  await clock.advance(hourMs - 1);
  expect((await backend.get('a'))?.status).toBe('SUCCESS');
  expect(await backend.expire()).toBe(0);
  await clock.advance(1);
  expect(await backend.get('a')).toBeUndefined();
  expect(await backend.expire()).toBe(1);
});

test('a task that was sent and never ended is forgotten after a week, not before', async () => {
  await backend.put(record('a', 'PENDING'));
  await clock.advance(7 * 24 * hourMs - 1);
  expect(await backend.expire()).toBe(0);
  await clock.advance(1);
  expect(await backend.expire()).toBe(1);
});

test('one who watches a record that expires goes on waiting for a new one', async () => {
  await backend.put(record('a', 'STARTED'));
  const seen: string[] = [];
  for await (const { status } of backend.watch('a', AbortSignal.timeout(patienceMs))) {
    seen.push(status);
    if (seen.length > 1) continue;
    await clock.advance(8 * 24 * hourMs);
    await backend.expire();
    await backend.put(record('a', 'SUCCESS'));
  }
  expect(seen).toEqual(['STARTED', 'SUCCESS']);
});
