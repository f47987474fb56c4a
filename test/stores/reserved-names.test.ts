// A queue's name cannot be one under which a store keeps something else, whoever says it and wherever.
import { afterEach, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { ReservedNameError } from '../../src/errors.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { checkQueueName } from '../../src/stores/reserved-names.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { MemoryLog } from '../worker/memory-log.ts';

const kept = [
  'umbel:evicted',
  'umbel:due',
  'umbel.dead',
  'umbel_delayed_0',
  '_kombu.binding.celery',
  'celery-task-meta-VICTIM',
  'celery-taskset-meta-g.j',
  'unacked',
  'unacked_index',
  'celery_delayed_0',
  'celery_delayed_delivery',
  'celeryev',
  'celeryev.0b6',
  'wa@vm.celery.pidbox',
  'celery.pidbox',
  'amq.direct',
  'celery\x06\x169',
];

it.each([
  'celery',
  'umbel',
  'mail',
  'celeryevents',
  'unacked-mail',
  'my.umbel.queue',
  'größe',
])('%j is a name for a queue', (name) => {
  expect(() => checkQueueName(name)).not.toThrow();
});

const stores: readonly [string, string | undefined, () => Promise<string>][] = [
  ['memory', undefined, async () => `memory://reserved`],
  ['redis', noRedis, async () => (await RedisServerProcess.shared()).url()],
  ['rabbitmq', noRabbit, async () => (await RabbitServerProcess.shared()).url()],
];

describe.each(stores)('on %s', (name, missing, start) => {
  const apps: App[] = [];
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });
  async function newApp(): Promise<App> {
    const app = new App('reserved', { broker: await start(), backend: 'memory://reserved' });
    apps.push(app);
    return app;
  }

  needs(it, missing)(
    'calls, signatures, settings, workers and raw messages are refused by name',
    async () => {
      const app = await newApp();
      const add = app.task('add', (x: number, y: number) => x + y);
      const transport = await app.broker();
      for (const queue of kept) {
        await expect(add.applyAsync([1, 2], { queue }), queue).rejects.toThrow(ReservedNameError);
        await expect(add.s(1, 2).set({ queue }).delay(), queue).rejects.toThrow(ReservedNameError);
        expect(() => new App('other', { broker: 'memory://', taskQueues: [queue] }), queue).toThrow(
          ReservedNameError,
        );
        expect(() => new Worker(app, { queues: [queue], logger: new MemoryLog() }), queue).toThrow(
          ReservedNameError,
        );
        const consuming = { queues: [queue], name: 'x@here', leaseMs: 15_000 };
        await expect(transport.consume(consuming), queue).rejects.toThrow(ReservedNameError);
      }
      expect((await transport.queues()).filter((queue) => kept.includes(queue))).toEqual([]);
    },
  );

  needs(it, missing)('the HTTP API answers 400, and says why', async () => {
    const app = await newApp();
    app.task('add', (x: number, y: number) => x + y);
    const gateway = createGateway(app, { insecure: true, logger: new MemoryLog() });
    const url = `http://localhost/tasks/add?queue=${encodeURIComponent('umbel:evicted')}`;
    const headers = { 'content-type': 'application/json' };
    const response = await gateway.fetch(
      new Request(url, { method: 'POST', headers, body: '{"args": [1, 2]}' }),
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'UMBEL_RESERVED_NAME',
      detail: expect.stringContaining('umbel:evicted'),
    });
    if (name === 'redis') expect(await (await app.broker()).queues()).not.toContain('umbel:evicted');
  });
});
