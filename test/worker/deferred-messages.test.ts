// What is told, and shown, of a task that a worker defers until its time, on brokers to which Python's clients send such tasks.
import { describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { put, startWorker } from './bench.ts';
import { someMessage } from './some-message.ts';

const rabbitUrl = async (): Promise<string> => {
  const rabbit = await RabbitServerProcess.shared();
  return rabbit.url(rabbit.vhost());
};
const brokers = [
  ['Redis', noRedis, async () => (await RedisServerProcess.shared()).url()],
  ['RabbitMQ', noRabbit ?? noRedis, rabbitUrl],
] as const;

describe.each(brokers)('a task that is deferred until its time, on %s', (_, missing, urlOf) => {
  needs(it, missing)('is told as received then, and not again when it runs', async () => {
    const backend = (await RedisServerProcess.shared()).url(1);
    const app = new App('shop', { broker: await urlOf(), backend, workerSendTaskEvents: true });
    onTestFinished(() => app.close());
    app.task('shop.add', (x: number, y: number) => x + y);
    const told: { readonly type: string; readonly timestamp: number }[] = [];
    const id = crypto.randomUUID();
    await using _hearing = await captureEvents(app, (event) => {
      if (event.uuid === id) told.push(event);
    });
    await startWorker(app);
    const eta = new Date(Date.now() + 1500);
    await put(app, someMessage({ id, eta, lang: 'py' }));
    expect(await app.result(id).get(patience)).toBe(5);
    await until(() => told.some(({ type }) => type === 'task-succeeded'));
    expect(told.map(({ type }) => type)).toEqual(['task-received', 'task-started', 'task-succeeded']);
  });
});
