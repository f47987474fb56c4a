// Actions on messages that wait, and jobs that run tasks again, over HTTP.
import { expect, it } from 'vitest';
import { Recorder } from '../../src/recorder/recorder.ts';
import { until } from '../until.ts';
import { newApp, sizeOf, startWorker } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

it('messages that wait move, are promoted and rescheduled, and the audit log has each once', async () => {
  const app = await newApp('sqlite');
  const ask = newDashboard(app);
  const { id } = await app.send('mail.send', [1], { countdown: 3_600 });
  await app.send('mail.send', [2]);
  const post = async (path: string, body: object) => {
    const { status, body: answer } = await ask(`/api/v1/waiting/${path}?reason=why`, json(body));
    return [status, answer];
  };
  const move = { from: 'celery', to: 'slow', query: 'args.0:2' };
  expect(await post('move', { ...move, dryRun: true })).toEqual([200, { moved: 1 }]);
  expect(await post('move', move)).toEqual([200, { moved: 1 }]);
  expect(await post('reschedule', { which: { ids: [id] }, changes: { priority: 9 } })).toEqual([
    200,
    { done: [id], missing: [] },
  ]);
  expect(await post('promote', { which: { query: 'priority:9' } })).toEqual([
    200,
    { done: [id], missing: [] },
  ]);
  expect(await sizeOf(app)).toEqual([1, 0, 0]);
  expect((await post('move', { ...move, to: 'celery' }))[0]).toBe(422);
  expect((await post('move', { ...move, query: 'nmae:x' }))[0]).toBe(400);
  expect((await post('promote', { which: {} }))[0]).toBe(422);
  const broker = await app.broker();
  Object.assign(broker, { features: { ...broker.features, choosesWaiting: false } });
  expect((await post('promote', { which: { ids: [id] } }))[0]).toBe(409);
  const entries = await app.audit.list({ action: '*' });
  expect(entries.map(({ action, user, reason }) => [action, user, reason]).slice(-3)).toEqual([
    ['task.promote', 'anybody', 'why'],
    ['task.reschedule', 'anybody', 'why'],
    ['queue.move', 'anybody', 'why'],
  ]);
});

it('a job that runs tasks again is prepared, run at another rate, and shown', async () => {
  const app = await newApp('sqlite', { taskSendSentEvent: true });
  let isBroken = true;
  const mail = app.task('mail', (n: number) => {
    if (isBroken) throw new Error('no');
    return n;
  });
  const recorder = new Recorder(app);
  await recorder.start();
  await startWorker(app, { taskEvents: true });
  const ask = newDashboard(app);
  await mail.delay(1);
  await until(async () => {
    await recorder.flush();
    return (await app.history.counts()).FAILURE === 1;
  });
  await recorder.stop();
  isBroken = false;
  const planned = await ask('/api/v1/jobs', json({ query: 'state:failure', rate: '1/h' }));
  const { id } = planned.body as { readonly id: string }; // the route's type
  expect([planned.status, planned.body]).toMatchObject([202, { rate: 1 / 3_600 }]);
  await until(async () => (await (await app.history.retryJob(id)).status()).state === 'ready');
  expect((await ask(`/api/v1/jobs/${id}`)).body).toMatchObject({ state: 'ready', open: 1 });
  expect((await ask(`/api/v1/jobs/${id}/prepare`, json({}))).status).toBe(409);
  const left = await app.history.retryAll('state:failure', { prepare: false });
  await left.prepare({ signal: AbortSignal.abort() }).catch(() => undefined); // its process was stopped
  expect((await ask(`/api/v1/jobs/${left.id}/prepare`, json({}))).status).toBe(202);
  await until(async () => (await left.status()).state === 'ready');
  await left.abort();
  expect((await ask(`/api/v1/jobs/${id}/run`, json({ rate: 'fast' }))).status).toBe(422);
  expect((await ask(`/api/v1/jobs/${id}/run`, json({ rate: '20/s' }))).status).toBe(202);
  await until(async () => (await (await app.history.retryJob(id)).status()).state === 'done');
  expect((await ask(`/api/v1/jobs/${id}`)).body).toMatchObject({ state: 'done', sent: 1, rate: 20 });
  expect((await ask('/api/v1/jobs')).body).toMatchObject({
    jobs: [{ state: 'aborted' }, { id, state: 'done' }],
  });
  expect((await ask(`/api/v1/jobs/${id}/run`, json({}))).status).toBe(409);
  expect((await ask(`/api/v1/jobs/${id}/abort`, json({}))).body).toEqual({ done: false });
  expect((await ask('/api/v1/jobs/nothing/pause', json({}))).status).toBe(404);
});
