// Single answers and requests that are lost, each named; all of a whole cycle one after the other: test/e2e/reply-lost.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerUnavailable } from '../../../src/errors.ts';
import { openRedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { needs } from '../../needs.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';

needs(describe, noRedis)('what is lost between Redis and a worker', () => {
  let server: RedisServerProcess;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
    proxy = await FaultProxy.before(server.port, 'redis');
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it.each([
    'reply',
    'request',
  ] as const)('a worker whose joining was lost (the %s) hears that the broker is away, and may join again', async (what) => {
    const url = server.url().replace(String(server.port), String(proxy.port));
    await using transport = await openRedisTransport(url, { queues: [], driver: {} });
    const join = { queues: ['celery'], name: 'test', leaseMs: 15_000 };
    const loss = proxy.lose(what, 1, 'EVALSHA');
    await expect(transport.consume(join)).rejects.toThrow(BrokerUnavailable);
    expect(loss.lost).toContain('EVALSHA');
    await using consumer = await transport.consume(join);
    expect(consumer).toBeDefined();
  });
});
