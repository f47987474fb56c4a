import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { noDriver } from './harness/amqp-driver.ts';
import { onRabbit } from './harness/on-rabbit.ts';
import { interopSuite } from './suite.ts';

interopSuite('RabbitMQ, results in Redis', noRabbit ?? noRedis ?? noDriver, async () => {
  const [rabbit, redis] = await Promise.all([RabbitServerProcess.start(), RedisServerProcess.start()]);
  return {
    ...onRabbit(rabbit, redis.url()),
    sharedResults: true,
    async [Symbol.asyncDispose]() {
      await Promise.all([rabbit[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
    },
  };
});
