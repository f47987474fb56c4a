import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { CannotChangeWaitingError, ConfigError } from '../../src/errors.ts';
import { encodeTask } from '../../src/protocol/task.ts';
import { taskMessage } from '../../src/testing/conformance.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newApp, put, sizeOf, startWorker } from '../worker/bench.ts';

const hour = 3_600;

describe.each(['memory', 'sqlite'] as const)('on %s, tasks that wait for their time', (kind) => {
  test('run at once when they are promoted, by id or by a query, and once', async () => {
    const app = await newApp(kind);
    const ran: unknown[] = [];
    const add = app.task('shop.add', (n: number) => void ran.push(n));
    const later = (n: number) => add.applyAsync([n], { countdown: hour });
    const [one, two, three] = [await later(1), await later(2), await later(3)];
    const ready = await add.applyAsync([4], { queue: 'slow' });
    expect(await app.queues.promote([one.id, ready.id, 'nobody'], { dryRun: true })).toEqual({
      done: [one.id],
      missing: [ready.id, 'nobody'],
    });
    expect(await app.queues.promote(one.id)).toEqual({ done: [one.id], missing: [] });
    expect(await app.queues.promote({ query: 'name:shop.* args.0:2' })).toEqual({
      done: [two.id],
      missing: [],
    });
    expect(await sizeOf(app)).toEqual([2, 1, 0]);
    await startWorker(app);
    await Promise.all([one.get(patience), two.get(patience)]);
    expect(ran).toEqual([1, 2]);
    expect(await app.queues.promote(one.id)).toEqual({ done: [], missing: [one.id] });
    expect(await app.queues.promote([three.id])).toEqual({ done: [three.id], missing: [] });
    await three.get(patience);
    expect(ran).toEqual([1, 2, 3]);
  });

  test('get another time, queue and priority', async () => {
    const app = await newApp(kind, { taskDefaultPriority: 'normal', taskQueues: ['celery', 'slow'] });
    const eta = new Date(Date.now() + hour * 1000);
    const { id } = await app.send('mail.send', [1], { eta });
    const later = new Date(eta.getTime() + 1000);
    const { queues } = app;
    expect(await queues.reschedule(id, { eta: later, priority: 'low' })).toEqual({ done: [id], missing: [] });
    expect(await queues.peek('celery', { place: 'scheduled' })).toMatchObject([
      { due: later, call: { id, eta: later, priority: 9 } },
    ]);
    await queues.reschedule({ query: 'priority:9' }, { queue: 'slow' });
    expect(await queues.peek('slow', { place: 'scheduled' })).toMatchObject([
      { due: later, call: { id, eta: later, priority: 9 } },
    ]);
    // What is ready may have to wait again.
    await queues.promote(id);
    expect(await sizeOf(app, 'slow')).toEqual([1, 0, 0]);
    await queues.reschedule(id, { countdown: hour });
    expect(await sizeOf(app, 'slow')).toEqual([0, 1, 0]);
    // A past time means now.
    await queues.reschedule(id, { eta: new Date(0) });
    expect(await sizeOf(app, 'slow')).toEqual([1, 0, 0]);
  });
});

test('the time of a call in protocol 1 changes, too', async () => {
  const app = await newApp('sqlite');
  const eta = new Date(Date.now() + hour * 1000);
  const body = { task: 'mail.send', id: 'v1', args: [1], kwargs: {}, retries: 2, eta: eta.toISOString() };
  const { message } = { message: encodeTask(taskMessage('v1')) };
  const wire = { ...message, headers: {}, body: Buffer.from(JSON.stringify(body)) };
  await (await app.broker()).publish([{ id: 'v1', queue: 'celery', eta, message: wire }]);
  expect(await app.queues.promote('v1')).toEqual({ done: ['v1'], missing: [] });
  expect(await app.queues.peek('celery')).toMatchObject([
    { due: null, call: { id: 'v1', task: 'mail.send', args: [1], retries: 2, eta: null } },
  ]);
});

test.each([
  ['a', {}],
  ['a', { eta: new Date(), countdown: 1 }],
  ['a', { eta: new Date(Number.NaN) }],
  ['a', { priority: 300 }],
  ['a', { priority: 'low' }],
  [[], { priority: 3 }],
  [{ query: ' ' }, { priority: 3 }],
] as const)('%j with %j is refused', async (which, changes) => {
  const app = await newApp('memory');
  await expect(app.queues.reschedule(which, changes)).rejects.toThrow(ConfigError);
});

test('a broker that cannot look at messages refuses', async () => {
  const app = await newApp('memory');
  const broker = await app.broker();
  Object.assign(broker, { features: { ...broker.features, choosesWaiting: false } });
  await put(app, taskMessage('a'));
  await expect(app.queues.promote('a')).rejects.toThrow(CannotChangeWaitingError);
});

needs(describe, noRedis)('on Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test('tasks are promoted before and after a worker has put them into the schedule', async () => {
    await using app = new App('shop', { broker: server.url(5) });
    const ran: unknown[] = [];
    const add = app.task('shop.add', (n: number) => void ran.push(n));
    const first = await add.applyAsync([1], { countdown: hour });
    expect(await app.queues.promote(first.id)).toEqual({ done: [first.id], missing: [] });
    const worker = await startWorker(app);
    await first.get(patience);
    const [second, third] = [
      await add.applyAsync([2], { countdown: hour }),
      await add.applyAsync([3], { countdown: hour }),
    ];
    await until(async () => (await sizeOf(app))[1] === 2);
    expect(await app.queues.promote({ query: 'args.0:2' })).toEqual({ done: [second.id], missing: [] });
    await second.get(patience);
    // A near time is kept by the worker that claims it.
    const eta = new Date(Date.now() + 300);
    await app.queues.reschedule(third.id, { eta });
    await third.get(patience);
    expect(Date.now()).toBeGreaterThanOrEqual(eta.getTime());
    expect(ran).toEqual([1, 2, 3]);
    await worker.worker.stop();
  });
});
