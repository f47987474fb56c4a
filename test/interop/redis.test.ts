import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { interopSuite } from './suite.ts';

interopSuite('Redis', noRedis, async () => {
  const redis = await RedisServerProcess.start();
  const steps = ['', '3', '6', '9'].map((step) => (step === '' ? '' : `\x06\x16${step}`));
  return {
    python: { broker_url: redis.url(0), result_backend: redis.url(1) },
    typescript: { broker: redis.url(0), backend: redis.url(1) },
    waiting: (queue) => steps.reduce((sum, step) => sum + Number(redis.cli('LLEN', `${queue}${step}`)), 0),
    mostUrgent: 0,
    sharedResults: true,
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
});
