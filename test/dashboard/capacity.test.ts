// How many slots a queue needs, and the tasks that wait for their time in the calendar.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { Calendar } from '../../src/dashboard/server/pages/calendar.ts';
import { capacityHint } from '../../src/dashboard/server/pages/capacity.ts';
import type { QueueOverview } from '../../src/dashboard/server/pages/queues.ts';
import { until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

const runtime = { mean: 2_000, of: 100 }; // half a task in a second for each slot
const load = { ready: 1_200, inRate: 3, outRate: 1, slots: 2, free: 0, runtime };

test('a queue that grows is told how many more slots would empty it, and when', () => {
  // 2 tasks a second are missing, and 2 more empty it within ten minutes: 8 slots.
  expect(capacityHint(load)).toEqual({ ...runtime, slots: 2, free: 0, more: 8, emptyIn: 600 });
  expect(capacityHint({ ...load, ready: 1, inRate: 1 })).toMatchObject({ more: 1, emptyIn: 2 });
});

test('a queue that is empty soon needs no more, and one whose workers are free would gain nothing', () => {
  expect(capacityHint({ ...load, inRate: 0, ready: 60 })).toMatchObject({ more: 0, emptyIn: 60 });
  expect(capacityHint({ ...load, free: 2 })).toMatchObject({ more: 0, emptyIn: null });
  expect(capacityHint({ ...load, slots: 20, free: 1 })).toMatchObject({ more: 8 });
});

test('without what comes it is reckoned as if nothing came, and nothing is said where nothing is known', () => {
  expect(capacityHint({ ...load, inRate: null, ready: 1_200 })).toMatchObject({ more: 2, emptyIn: 600 });
  expect(capacityHint({ ...load, outRate: null })).toBeNull();
  expect(capacityHint({ ...load, ready: 0 })).toBeNull();
  expect(capacityHint({ ...load, runtime: { mean: 0, of: 0 } })).toBeNull();
});

test('the page of the queues has the hint, from the runs of its tasks and the slots of its workers', async () => {
  const app = await newApp('sqlite', { taskSendSentEvent: true });
  const quick = app.task('quick', () => undefined);
  const leaving = new AbortController();
  const hang = app.task('hang', async () => {
    if (!leaving.signal.aborted) await once(leaving.signal, 'abort');
  });
  const ask = newDashboard(app);
  await startWorker(app, { taskEvents: true, concurrency: 1 });
  await until(async () => (await app.history.status()).recordedUntil !== null, 'a recorder to listen');
  for (let n = 0; n < 5; n++) await quick.delay();
  await until(async () => (await app.history.list('state:success')).tasks.length === 5, 'the runs');
  await hang.delay();
  await quick.delay();
  await app.send('quick', [], { queue: 'other' });
  const hints = async (): Promise<Record<string, unknown>> => {
    const { queues } = (await ask('/api/v1/queues')).body as QueueOverview;
    return Object.fromEntries(queues.map(({ name, capacity }) => [name, capacity]));
  };
  await until(
    async () => JSON.stringify(await hints()).includes('"slots":1'),
    'the hint, and the reply of the worker',
  );
  const found = await hints();
  expect(found).toMatchObject({ celery: { of: 5, slots: 1, mean: expect.any(Number) }, other: null });
  leaving.abort();
});

test('the calendar counts the tasks that wait for their time', async () => {
  const app = await newApp('sqlite');
  app.task('later', () => undefined);
  const due = Math.ceil(Date.now() / 3_600_000) * 3_600_000 + 3_600_000;
  for (const eta of [due, due + 60_000, due + 900_000, due + 40 * 3_600_000])
    await app.send('later', [], { eta: new Date(eta) });
  const { body } = await newDashboard(app)('/api/v1/schedules/calendar');
  expect((body as Calendar).etas).toEqual({
    problem: null,
    quarters: [
      [due, 2],
      [due + 900_000, 1],
    ],
  });
});
