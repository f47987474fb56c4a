// The servers that both halves meet on: parts of those that the whole run shares.
import { RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { RedisServerProcess } from '../../servers/redis.ts';
import { patience } from '../../until.ts';
import type { Servers } from './pair.ts';

/** Redis for messages; results in the same database, or in another one. */
export async function onRedis(results: 'in the same database' | 'in another database'): Promise<Servers> {
  const redis = await RedisServerProcess.shared();
  const [broker, backend] = [redis.url(0), redis.url(results === 'in another database' ? 1 : 0)];
  const steps = ['', '3', '6', '9'].map((step) => (step === '' ? '' : `\x06\x16${step}`));
  return {
    python: { broker_url: broker, result_backend: backend },
    typescript: { broker, backend, taskPublishTimeout: patience.timeout },
    waiting: async (queue) =>
      steps.reduce((sum, step) => sum + Number(redis.cli('LLEN', `${queue}${step}`)), 0),
    firstPriority: 0,
    sharedResults: true,
  };
}

/** RabbitMQ for messages; results in Redis, or sent back to who called. */
export async function onRabbit(results: 'in Redis' | 'by rpc'): Promise<Servers> {
  const rabbit = await RabbitServerProcess.shared();
  const vhost = rabbit.vhost();
  const broker = rabbit.url(vhost);
  const backend = results === 'in Redis' ? (await RedisServerProcess.shared()).url() : 'rpc://';
  return {
    // Queues know priorities only if both sides declare them so.
    python: { task_queue_max_priority: 9, broker_url: broker, result_backend: backend },
    typescript: { taskQueueMaxPriority: 9, broker, backend, taskPublishTimeout: patience.timeout },
    waiting: async (queue) => (await rabbit.queues(vhost)).find(({ name }) => name === queue)?.messages ?? 0,
    firstPriority: 9,
    sharedResults: results === 'in Redis',
  };
}
