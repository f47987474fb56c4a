// The same cases on RabbitMQ: with results in Redis, and with results over RabbitMQ itself.
import { openBackend } from '../../src/results/open.ts';
import { openTransport } from '../../src/transports/open.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import type { Servers } from './harness/pair.ts';
import { interopSuite } from './suite.ts';

const noDriver = await notInThisVersion(() => openTransport('amqp://127.0.0.1:1'));
const noRpc = noDriver ?? (await notInThisVersion(() => openBackend('rpc://', { expiresMs: null })));

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

/** The error of a driver that is not there yet; undefined when it is, whatever else fails. */
async function notInThisVersion(
  open: () => Promise<AsyncDisposable | { close(): Promise<void> }>,
): Promise<string | undefined> {
  try {
    const opened = await open();
    await ('close' in opened ? opened.close() : opened[Symbol.asyncDispose]());
    return undefined;
  } catch (error) {
    return error instanceof Error && /not in this version/.test(error.message) ? error.message : undefined;
  }
}
