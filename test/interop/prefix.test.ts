// A database that is shared with others: every key and channel begins with the same text on both sides.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import { App } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { PythonClient } from './harness/python-client.ts';
import { PythonWorker } from './harness/python-worker.ts';
import { defineTasks } from './programs/tasks.ts';

needs(describe, noRedis ?? noPython)('keys with a prefix', () => {
  let redis: RedisServerProcess;
  let python: PythonClient;
  let pythonWorker: PythonWorker;
  let app: App;
  let worker: Worker;

  beforeAll(async () => {
    redis = await RedisServerProcess.shared();
    const taskRoutes = { 'py.*': { queue: 'py' }, 'ts.*': { queue: 'ts' } };
    const settings = {
      broker_url: redis.url(0),
      result_backend: redis.url(1),
      task_routes: taskRoutes,
      // Of results Celery 5.2 knows no prefix.
      broker_transport_options: { global_keyprefix: 'shop:' },
      control_exchange: 'shop-control',
      event_exchange: 'shop-events',
    };
    app = new App('prefixed', {
      broker: redis.url(0),
      backend: redis.url(1),
      taskRoutes,
      brokerTransportOptions: { globalKeyprefix: 'shop:' },
      controlExchange: 'shop-control',
      eventExchange: 'shop-events',
    });
    defineTasks(app);
    worker = new Worker(app, { queues: ['ts'] });
    python = new PythonClient({ settings });
    [pythonWorker] = await Promise.all([
      PythonWorker.start({ settings, queues: ['py'], name: 'python@here' }),
      worker.start(),
    ]);
  });

  afterAll(async () => {
    await Promise.allSettled([python?.[Symbol.asyncDispose](), pythonWorker?.[Symbol.asyncDispose]()]);
    await worker?.stop({ cold: true });
    await app?.close();
  });

  test('both sides find each other, and nothing is left outside of the prefix', async () => {
    expect(await (await app.send('py.add', [2, 3])).get(patience)).toBe(5);
    expect(await python.call('ts.add', { args: '(2, 3)', options: 'dict(countdown=0.3)' })).toBe(5);
    await app.send('any.task', [], { queue: 'idle', priority: 9 });
    const keys = redis.cli('KEYS', '*').split('\n');
    expect(keys.filter((key) => !key.startsWith('shop:'))).toEqual([]);
    expect(keys).toContain('shop:idle\x06\x169');
  });

  test('control and events go through exchanges of other names, and are heard on both sides', async () => {
    const names = [worker.name, 'python@here'].sort();
    const { replies } = await new Control(app).ping({ limit: 2, ...patience });
    expect([...replies.keys()].sort()).toEqual(names);
    const code =
      "[name for reply in app.control.broadcast('ping', reply=True, limit=2, timeout=60) for name in reply]";
    expect([...((await python.eval(code)) as string[])].sort()).toEqual(names);
    const heard = new Set<string>();
    await using _ = await captureEvents(app, (event) => heard.add(event.hostname));
    await until(() => names.every((name) => heard.has(name)), 'heartbeats of both workers');
  });
});
