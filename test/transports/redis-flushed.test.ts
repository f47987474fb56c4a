// A server that has lost everything while consumers waited.
import { expect, test } from 'vitest';
import { claim, idOf, publication } from '../../src/testing/conformance.ts';
import type { RedisConsumer } from '../../src/transports/redis/redis-consumer.ts';
import { openRedisTransport } from '../../src/transports/redis/redis-transport.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';

needs(test, noRedis)(
  'a consumer that waits while Redis loses everything gets each message that is sent afterwards',
  async () => {
    await using server = await RedisServerProcess.start();
    await using transport = await openRedisTransport(server.url(), { queues: [], driver: {} });
    const consumer = (await transport.consume({
      queues: ['celery'],
      name: 'test',
      leaseMs: 1500,
    })) as RedisConsumer; // for its id
    await using _ = consumer;
    const waiting = claim(consumer, 1);
    await until(() => server.cli('CLIENT', 'LIST').includes('cmd=blmove'));
    const before = consumer.id;
    server.cli('FLUSHALL');
    // Its blocking read still takes for the name that is gone.
    await until(() => !['', before].includes(consumer.id));
    await transport.publish([publication('a')]);
    const [first] = await waiting;
    expect(first && idOf(first)).toBe('a');
    await first?.settle({ kind: 'ack' });
    await transport.publish([publication('b')]);
    const [second] = await claim(consumer, 1);
    expect(second && idOf(second)).toBe('b');
    await second?.settle({ kind: 'ack' });
    expect(server.cli('KEYS', 'umbel:taken:*')).toBe('');
  },
);
