import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { workflowSuite } from './workflows.ts';

for (const results of [0, 1]) {
  const where = results === 0 ? 'Redis' : 'Redis, results in another database';
  workflowSuite(where, noRedis, async () => {
    const redis = await RedisServerProcess.start();
    return {
      python: { broker_url: redis.url(0), result_backend: redis.url(results) },
      typescript: { broker: redis.url(0), backend: redis.url(results) },
      waiting: (queue) => Number(redis.cli('LLEN', queue)),
      mostUrgent: 0,
      sharedResults: true,
      [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
    };
  });
}
