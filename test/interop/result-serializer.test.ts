// A Python worker that keeps its results in another form than JSON: it must find nothing of ours where it keeps them.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { App } from '../../src/index.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { PythonClient } from './harness/python-client.ts';
import { PythonWorker } from './harness/python-worker.ts';

needs(describe, noRedis ?? noPython)('a Python worker with another result_serializer', () => {
  let redis: RedisServerProcess;
  const open: AsyncDisposable[] = [];
  beforeAll(async () => {
    redis = await RedisServerProcess.shared();
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
  });

  test.each([
    'pickle',
    'msgpack',
  ])('%s: it runs what we send, keeps the result, and goes on', async (form) => {
    const settings = {
      broker_url: redis.url(0),
      result_backend: redis.url(1),
      result_serializer: form,
      result_accept_content: [form],
    };
    const queue = `py-${form}`;
    const app = new App('sender', { broker: redis.url(0), backend: redis.url(1), taskDefaultQueue: queue });
    const python = new PythonClient({ settings });
    open.push({ [Symbol.asyncDispose]: () => app.close() }, python);
    const add = app.remote<(x: number, y: number) => number>('py.add');
    const taskId = crypto.randomUUID();
    const result = await add.applyAsync([1, 2], { taskId });
    expect(await result.exists()).toBe(true);
    open.push(await PythonWorker.start({ settings, queues: [queue] }));
    for (const id of [taskId, (await add.delay(2, 3)).id]) await python.get(id);
    expect(await python.get(taskId)).toEqual({ state: 'SUCCESS', value: 3 });
    // Sent once: what has ended is not begun again.
    await add.applyAsync([10, 20], { taskId });
    const last = await add.delay(3, 4);
    expect(await python.get(last.id)).toEqual({ state: 'SUCCESS', value: 7 });
    expect(await python.get(taskId)).toEqual({ state: 'SUCCESS', value: 3 });
    await until(async () => redis.cli('-n', String(redis.db(0)), 'LLEN', queue) === '0', 'an empty queue');
    await expect(result.get()).rejects.toThrow("result_serializer = 'json'");
  });
});
