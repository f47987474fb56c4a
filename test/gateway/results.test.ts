import { expect, it } from 'vitest';
import { deferred } from '../../src/lib/deferred.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { Decimal } from '../../src/protocol/values.ts';
import { until } from '../until.ts';
import { countWatches, get, newApp, newGateway, problem, read, send, startWorker } from './bench.ts';

/** A record as a worker stores it. */
function record(
  taskId: string,
  status: string,
  result: unknown,
  more: Partial<ResultRecord> = {},
): ResultRecord {
  return { taskId, status, result, traceback: null, children: [], dateDone: null, ...more };
}

it('a call is PENDING until it runs, then it has its result', async () => {
  const app = newApp();
  app.task('shop.add', (x: number, y: number) => x + y);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.add', { args: [2, 3] });
  expect(await read(get(gateway, `/tasks/${id}`))).toEqual({ id, status: 'PENDING' });
  const early = await get(gateway, `/tasks/${id}/result`);
  expect([early.status, await read(early)]).toEqual([202, { id, status: 'PENDING' }]);
  await startWorker(app);
  await app.result(id).get({ timeout: 60 });
  const late = await get(gateway, `/tasks/${id}/result`);
  expect(late.status).toBe(200);
  expect(await read(late)).toEqual({
    id,
    status: 'SUCCESS',
    result: 5,
    doneAt: expect.stringMatching(/^\d{4}-.*Z$/),
  });
});

it('an id that was never seen is 404, with and without waiting', async () => {
  const gateway = newGateway(newApp());
  for (const path of ['', '/result', '/result?wait=30', '/events']) {
    const response = await get(gateway, `/tasks/6f1c3e1e-0000-7000-8000-000000000000${path}`);
    expect(response.status).toBe(404);
    await problem(response);
  }
});

it('who asks for a task by its name learns that it wants to be POSTed to', async () => {
  const app = newApp();
  app.task('shop.add', (x: number) => x);
  expect((await problem(get(newGateway(app), '/tasks/shop.add'))).detail).toContain('POST');
});

it('?wait= answers as soon as the task has ended', async () => {
  const app = newApp();
  const gate = deferred<string>();
  app.task('shop.slow', () => gate.promise);
  await startWorker(app);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.slow');
  const waits = Array.from({ length: 3 }, () => get(gateway, `/tasks/${id}/result?wait=60`));
  gate.resolve('done');
  for (const response of await Promise.all(waits)) {
    expect(response.status).toBe(200);
    expect(await read(response)).toMatchObject({ status: 'SUCCESS', result: 'done' });
  }
});

it('?wait= ends after its time with what is known then', async () => {
  const app = newApp();
  app.task('shop.add', (x: number) => x);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.add', { args: [1] });
  const begun = performance.now();
  const response = await get(gateway, `/tasks/${id}/result?wait=300ms`);
  expect(response.status).toBe(202);
  expect(performance.now() - begun).toBeGreaterThan(250);
});

it('?wait= is not longer than the gateway allows', async () => {
  const app = newApp();
  app.task('shop.add', (x: number) => x);
  const gateway = newGateway(app, { maxWait: '50ms' });
  const id = await send(gateway, '/tasks/shop.add', { args: [1] });
  expect((await get(gateway, `/tasks/${id}/result?wait=1h`)).status).toBe(202);
});

it.each(['soon', '-1', '1e9x'])('?wait=%s is 400 and names the parameter', async (wait) => {
  const app = newApp();
  app.task('shop.add', (x: number) => x);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.add', { args: [1] });
  const response = await get(gateway, `/tasks/${id}/result?wait=${wait}`);
  expect(response.status).toBe(400);
  expect((await problem(response)).errors[0]?.parameter).toBe('wait');
});

it('a client that goes away while it waits releases its watch', async () => {
  const app = newApp();
  app.task('shop.add', (x: number) => x);
  const watching = await countWatches(app);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.add', { args: [1] });
  const client = new AbortController();
  const waiting = gateway.fetch(
    new Request(`http://localhost/tasks/${id}/result?wait=60`, { signal: client.signal }),
  );
  await until(() => watching() === 1);
  client.abort();
  await waiting.catch(() => {});
  await until(() => watching() === 0);
});

it('more waiting requests than the gateway allows are 503, and there is room again when they have ended', async () => {
  const app = newApp();
  app.task('shop.add', (x: number) => x);
  const gateway = newGateway(app, { maxWaiting: 2 });
  const id = await send(gateway, '/tasks/shop.add', { args: [1] });
  const waits = [1, 2].map(() => get(gateway, `/tasks/${id}/result?wait=60`));
  let refused = await get(gateway, `/tasks/${id}/result?wait=30ms`);
  while (refused.status !== 503) refused = await get(gateway, `/tasks/${id}/result?wait=30ms`);
  expect(refused.headers.get('retry-after')).not.toBeNull();
  await startWorker(app);
  for (const { status } of await Promise.all(waits)) expect(status).toBe(200);
});

it('that a task has failed is a result: 200 with its error, without its stack', async () => {
  const app = newApp();
  app.task('shop.fail', () => {
    throw new TypeError('no good');
  });
  await startWorker(app);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.fail');
  const response = await get(gateway, `/tasks/${id}/result?wait=60`);
  expect(response.status).toBe(200);
  const answer = await read(response);
  expect(answer).toMatchObject({ id, status: 'FAILURE', error: { type: 'TypeError', message: 'no good' } });
  expect(answer.error.traceback).toBeUndefined();
  const open = newGateway(app, { tracebacks: true });
  expect((await read(get(open, `/tasks/${id}`))).error.traceback).toContain('TypeError: no good');
});

it('progress is what the task tells about itself, and the place where it runs stays private', async () => {
  const app = newApp({ taskTrackStarted: true });
  const backend = await app.backend();
  const gateway = newGateway(app);
  await backend?.put(record('a', 'PROGRESS', { done: 3, total: 7 }));
  expect(await read(get(gateway, '/tasks/a'))).toEqual({
    id: 'a',
    status: 'PROGRESS',
    progress: { done: 3, total: 7 },
  });
  await backend?.put(record('b', 'STARTED', { pid: 7, hostname: 'celery@inside' }));
  expect(await read(get(gateway, '/tasks/b'))).toEqual({ id: 'b', status: 'STARTED' });
});

it('a retry shows why the last attempt failed, a revocation why it was one', async () => {
  const app = newApp();
  const backend = await app.backend();
  const gateway = newGateway(app);
  const thrown = { exc_type: 'OSError', exc_message: ['down'], exc_module: 'builtins' };
  await backend?.put(record('a', 'RETRY', thrown));
  expect(await read(get(gateway, '/tasks/a'))).toEqual({
    id: 'a',
    status: 'RETRY',
    error: { type: 'OSError', message: 'down' },
  });
  expect((await get(gateway, '/tasks/a/result')).status).toBe(202);
  const revoked = { exc_type: 'TaskRevokedError', exc_message: ['expired'], exc_module: 'celery.exceptions' };
  await backend?.put(record('b', 'REVOKED', revoked, { dateDone: new Date() }));
  expect((await get(gateway, '/tasks/b/result')).status).toBe(200);
});

it('values that JSON lacks are written so that every client reads them', async () => {
  const app = newApp();
  const backend = await app.backend();
  const value = {
    when: new Date('2030-01-02T03:04:05.678Z'),
    bytes: new Uint8Array([255, 0, 1]),
    price: new Decimal('1.10'),
    nothing: null,
    list: [Number.NaN, Number.POSITIVE_INFINITY],
    small: 3n,
    large: 9007199254740993n,
  };
  await backend?.put(record('a', 'SUCCESS', value, { dateDone: new Date() }));
  const text = await (await get(newGateway(app), '/tasks/a')).text();
  expect(JSON.parse(text).result).toMatchObject({
    when: '2030-01-02T03:04:05.678Z',
    bytes: '/wAB',
    price: '1.10',
    nothing: null,
    list: [null, null],
    small: 3,
    // As a number a browser would round it.
    large: '9007199254740993',
  });
});

it('an application that keeps no results says so', async () => {
  const app = newApp({ backend: null });
  app.task('shop.add', (x: number) => x);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.add', { args: [1] });
  const response = await get(gateway, `/tasks/${id}`);
  expect(response.status).toBe(501);
  expect((await problem(response)).detail).toContain('result backend');
});
