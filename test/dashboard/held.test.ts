// The messages that workers hold, and giving one back.
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import type { HeldList } from '../../src/dashboard/server/pages/held.ts';
import { App } from '../../src/index.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newHistory, newStore, startWorker } from '../worker/bench.ts';
import { type Ask, newDashboard } from './bench.ts';

const post = (ask: Ask, path: string, body: unknown) =>
  ask(`/api/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const heldOf = async (ask: Ask): Promise<HeldList> =>
  (await ask('/api/v1/queues/celery/held')).body as HeldList;

async function redisUrl(): Promise<string> {
  const redis = await RedisServerProcess.shared();
  return redis.url();
}

for (const [store, url, missing] of [
  ['Redis', redisUrl, noRedis],
  ['the embedded store', () => newStore('sqlite'), undefined],
] as const)
  needs(test, missing)(
    `on ${store} a held message that is released runs again at once, and the second result counts`,
    async () => {
      const app = new App('held', {
        broker: await url(),
        taskDefaultQueue: 'celery',
        historyStore: await newHistory(),
      });
      onTestFinished(() => app.close());
      const hanging = new AbortController();
      const runs: string[] = [];
      const task = app.task('hang.once', async () => {
        runs.push('begun');
        if (runs.length > 1) return 'second';
        await once(hanging.signal, 'abort');
        runs.push('first ended');
        return 'first';
      });
      const ask = newDashboard(app);
      await startWorker(app, { concurrency: 2 });
      const result = await task.delay();
      await until(async () => (await heldOf(ask)).held[0]?.started, 'the worker to tell what it runs');
      const { held, problem } = await heldOf(ask);
      expect(problem).toBeNull();
      expect(held).toMatchObject([
        { id: result.id, task: 'hang.once', worker: 'celery@here', told: true, releasable: true },
      ]);
      expect(held[0]?.leaseEndsAt === null).toBe(store !== 'Redis');
      expect((await post(ask, '/queues/celery/release', { id: 'nothing' })).body).toEqual({
        released: false,
      });
      const released = await post(ask, '/queues/celery/release?reason=hangs', { id: result.id });
      expect(released.body).toEqual({ released: true });
      expect(await result.get(patience)).toBe('second');
      hanging.abort();
      await until(() => runs.includes('first ended'), 'the first run to end');
      await until(async () => (await app.queues.held('celery')).length === 0, 'its settlement');
      expect(await app.result(result.id).get(patience)).toBe('second');
      expect((await app.broker().then((broker) => broker.size('celery'))).ready).toBe(0);
      const [entry] = await app.audit.list({ action: 'task.release', target: `${result.id}*` });
      expect(entry).toMatchObject({ reason: 'hangs', target: `${result.id} in celery` });
    },
  );

needs(test, noRabbit)('on RabbitMQ no message can be released, and the page says why', async () => {
  const rabbit = await RabbitServerProcess.shared();
  const app = new App('held', { broker: rabbit.url(), historyStore: await newHistory() });
  onTestFinished(() => app.close());
  const ask = newDashboard(app);
  expect((await heldOf(ask)).problem).toContain('amqp');
  const { status, body } = await post(ask, '/queues/celery/release', { id: 'x' });
  expect([status, body]).toEqual([409, expect.objectContaining({ code: 'UMBEL_CANNOT_RELEASE' })]);
});
