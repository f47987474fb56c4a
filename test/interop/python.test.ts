// The harness itself, Python to Python: when this fails, what fails elsewhere in this folder says nothing of us.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { PythonClient } from './harness/python-client.ts';
import { PythonWorker } from './harness/python-worker.ts';

needs(describe, noRedis || noPython)('Python to Python, through the harness', () => {
  let redis: RedisServerProcess;
  let worker: PythonWorker;
  let client: PythonClient;

  beforeAll(async () => {
    redis = await RedisServerProcess.start();
    const settings = { broker_url: redis.url(), result_backend: redis.url(1) };
    client = new PythonClient({ settings });
    worker = await PythonWorker.start({ settings, queues: ['py'] });
  });

  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await worker?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  test('a call is answered', async () => {
    expect(await client.call('py.add', { args: '(2, 3)', options: 'dict(queue="py")' })).toBe(5);
  });

  test('values come back as what they were', async () => {
    const seen = await client.call('py.echo', {
      args: '(["ä", 2**70, 1.5, nan, {"k": None}],)',
      options: 'dict(queue="py")',
    });
    expect(seen).toEqual(['ä', 2n ** 70n, 1.5, Number.NaN, { k: null }]);
  });

  test('a failure is told with class, arguments and traceback', async () => {
    const id = await client.send('py.fail', { options: 'dict(queue="py")' });
    const outcome = await client.get(id);
    expect(outcome).toMatchObject({
      state: 'FAILURE',
      error: { class: 'ValueError', args: ['deliberate', 42] },
    });
    expect(outcome).toHaveProperty('traceback', expect.stringContaining('interop_app.py'));
    expect(await client.meta(id)).toMatchObject({ state: 'FAILURE', failed: true, children: [] });
  });

  test('what a worker does not know is told in its log', async () => {
    await client.send('nobody.knows', { options: 'dict(queue="py")' });
    await client.call('py.add', { args: '(1, 1)', options: 'dict(queue="py")' });
    expect(worker.log).toContain('Received unregistered task of type');
  });
});
