// The same cases on RabbitMQ: with results in Redis, and with results over RabbitMQ itself.
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { noDriver, noRpc } from './harness/amqp-driver.ts';
import type { Servers } from './harness/pair.ts';
import { interopSuite } from './suite.ts';

/** Queues know priorities only if both sides declare them so. */
const python = { task_queue_max_priority: 9 };
const typescript = { taskQueueMaxPriority: 9 };

function on(rabbit: RabbitServerProcess): Pick<Servers, 'waiting' | 'mostUrgent'> {
  return {
    waiting: (queue) => {
      const lines = rabbit.ctl('list_queues', 'name', 'messages').split('\n');
      return Number(lines.find((line) => line.startsWith(`${queue}\t`))?.split('\t')[1] ?? 0);
    },
    mostUrgent: 9,
  };
}

interopSuite('RabbitMQ, results in Redis', noRabbit ?? noRedis ?? noDriver, async () => {
  const [rabbit, redis] = await Promise.all([RabbitServerProcess.start(), RedisServerProcess.start()]);
  return {
    ...on(rabbit),
    python: { ...python, broker_url: rabbit.url(), result_backend: redis.url() },
    typescript: { ...typescript, broker: rabbit.url(), backend: redis.url() },
    sharedResults: true,
    async [Symbol.asyncDispose]() {
      await Promise.all([rabbit[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
    },
  };
});

interopSuite('RabbitMQ, results by rpc', noRabbit ?? noRpc, async () => {
  const rabbit = await RabbitServerProcess.start();
  return {
    ...on(rabbit),
    python: { ...python, broker_url: rabbit.url(), result_backend: 'rpc://' },
    typescript: { ...typescript, broker: rabbit.url(), backend: 'rpc://' },
    sharedResults: false,
    [Symbol.asyncDispose]: () => rabbit[Symbol.asyncDispose](),
  };
});
