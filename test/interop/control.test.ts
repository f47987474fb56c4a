import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { controlSuite } from './control-suite.ts';
import { noDriver } from './harness/amqp-driver.ts';
import { onRabbit } from './harness/on-rabbit.ts';

controlSuite('Redis', noRedis, async () => {
  const redis = await RedisServerProcess.start();
  return {
    python: { broker_url: redis.url(0), result_backend: redis.url(1) },
    typescript: { broker: redis.url(0), backend: redis.url(1) },
    waiting: (queue) => Number(redis.cli('LLEN', queue)),
    mostUrgent: 0,
    sharedResults: true,
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
});

controlSuite('RabbitMQ', noRabbit ?? noRedis ?? noDriver, async () => {
  const [rabbit, redis] = await Promise.all([RabbitServerProcess.start(), RedisServerProcess.start()]);
  return {
    ...onRabbit(rabbit, redis.url()),
    sharedResults: true,
    async [Symbol.asyncDispose]() {
      await Promise.all([rabbit[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
    },
  };
});
