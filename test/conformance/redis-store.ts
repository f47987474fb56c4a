// Empty stores on one Redis server: each under a prefix of its own.

import { systemClock } from '../../src/lib/clock.ts';
import { RedisConnection } from '../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../src/stores/redis/client/settings.ts';
import { openRedisBackend } from '../../src/stores/redis/redis-backend.ts';
import { RedisConsumer } from '../../src/stores/redis/redis-consumer.ts';
import { openRedisTransport, RedisTransport } from '../../src/stores/redis/redis-transport.ts';
import type { RedisServerProcess } from '../servers/redis.ts';
import type { Store } from './stores.ts';

let stores = 0;

export function redisStore(server: () => RedisServerProcess): Store {
  const driver = { keyPrefix: `{case-${++stores}}:` };
  const connect = (): Promise<RedisConnection> =>
    RedisConnection.open(redisSettings(server().url(), 'broker', driver));
  return {
    openTransport: (options) =>
      openRedisTransport(server().url(), { queues: [], driver }, options?.clock ?? systemClock),
    openBackend: (options) => openRedisBackend(server().url(), { ...options, driver }),
    openBackendOf: (_, options) => openRedisBackend(server().url(), { ...options, driver }),
    async putRaw(queue, raw) {
      await using connection = await connect();
      await connection.call(['LPUSH', driver.keyPrefix + queue, Buffer.from(raw)]);
    },
    async kill(consumer, handle) {
      if (!(consumer instanceof RedisConsumer) || !(handle instanceof RedisTransport))
        throw new TypeError('not of this driver');
      await using connection = await connect();
      const { id } = consumer;
      const consumers = `${driver.keyPrefix}umbel:consumers`;
      do {
        // Its lease has ended, and somebody noticed; unless its thread has just renewed it.
        await connection.call(['ZADD', consumers, 'XX', '0', id]);
        await handle.maintain();
      } while ((await connection.call(['ZSCORE', consumers, id])) !== null);
    },
    async remove() {},
  };
}
