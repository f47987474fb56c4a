import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { onRabbit } from './harness/on-rabbit.ts';
import { workflowSuite } from './workflows.ts';

workflowSuite('RabbitMQ, results in Redis', noRabbit ?? noRedis, async () => {
  const [rabbit, redis] = await Promise.all([RabbitServerProcess.start(), RedisServerProcess.start()]);
  return {
    ...onRabbit(rabbit, redis.url()),
    sharedResults: true,
    async [Symbol.asyncDispose]() {
      await Promise.all([rabbit[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
    },
  };
});
