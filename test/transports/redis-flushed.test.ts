// A server that has lost everything while consumers waited.
import { expect, test, vi } from 'vitest';
import { claim, idOf, publication } from '../../src/testing/conformance.ts';
import type { RedisConsumer } from '../../src/transports/redis/redis-consumer.ts';
import { openRedisTransport } from '../../src/transports/redis/redis-transport.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

needs(test, noRedis)(
  'a consumer that waits while Redis loses everything gets each message that is sent afterwards',
  { timeout: 60_000 },
  async () => {
    await using server = await RedisServerProcess.start();
    await using transport = await openRedisTransport(server.url(), { queues: [], driver: {} });
    const consumer = (await transport.consume({
      queues: ['celery'],
      name: 'test',
      leaseMs: 1500,
    })) as RedisConsumer; // for its id
    await using _ = consumer;
    const waiting = claim(consumer, 1, 30_000);
    await vi.waitFor(() => expect(server.cli('CLIENT', 'LIST')).toContain('cmd=blmove'), { timeout: 10_000 });
    const before = consumer.id;
    server.cli('FLUSHALL');
    // Its blocking read still takes for the name that is gone.
    await vi.waitFor(() => expect(['', before]).not.toContain(consumer.id), { timeout: 15_000, interval: 5 });
    await transport.publish([publication('a')]);
    const [first] = await waiting;
    expect(first && idOf(first)).toBe('a');
    await first?.settle({ kind: 'ack' });
    await transport.publish([publication('b')]);
    const [second] = await claim(consumer, 1, 20_000);
    expect(second && idOf(second)).toBe('b');
    await second?.settle({ kind: 'ack' });
    expect(server.cli('KEYS', 'umbel:taken:*')).toBe('');
  },
);
