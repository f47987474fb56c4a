// The logical clocks of workers that hear each other, on brokers that Python's workers share.
import { describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import { eventMessage } from '../../src/protocol/event.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { startWorker } from './bench.ts';

const rabbitUrl = async (): Promise<string> => {
  const rabbit = await RabbitServerProcess.shared();
  return rabbit.url(rabbit.vhost());
};
const brokers = [
  ['Redis', noRedis, async () => (await RedisServerProcess.shared()).url()],
  ['RabbitMQ', noRabbit, rabbitUrl],
] as const;

describe.each(brokers)('workers on %s', (_, missing, urlOf) => {
  needs(it, missing)('go on from the latest logical time that another worker has told', async () => {
    const app = new App('shop', { broker: await urlOf(), backend: null });
    onTestFinished(() => app.close());
    const ours: number[] = [];
    await using _hearing = await captureEvents(app, ({ hostname, clock }) => {
      if (hostname === 'celery@here') ours.push(clock);
    });
    await startWorker(app);
    await until(() => ours.length > 0, 'a heartbeat');
    expect(ours.at(-1)).toBeLessThan(1_000_000);
    const { fanout } = await app.broker();
    const heartbeat = {
      type: 'worker-heartbeat',
      hostname: 'python@there',
      timestamp: Date.now() / 1000,
      utcoffset: 0,
      pid: 1,
      clock: 1_000_000,
    };
    const key = 'worker.heartbeat';
    await until(async () => {
      await fanout.publish(app.exchanges.events, key, eventMessage('celeryev', heartbeat, key));
      return (ours.at(-1) ?? 0) > 1_000_000;
    }, 'a heartbeat that is later');
  });
});
