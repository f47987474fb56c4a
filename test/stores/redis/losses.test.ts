// Single answers and requests that are lost, each named; all of a whole cycle one after the other: test/e2e/reply-lost.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerUnavailable } from '../../../src/errors.ts';
import { openRedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { publication } from '../../../src/testing/conformance.ts';
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

  const behindProxy = () =>
    openRedisTransport(server.url().replace(String(server.port), String(proxy.port)), {
      queues: [],
      driver: {},
    });

  it.each(['reply', 'request'] as const)('who only looks asks again when the %s was lost', async (what) => {
    await using transport = await behindProxy();
    const { deadLetters } = transport;
    const looks: [string, () => Promise<unknown>][] = [
      ['EVALSHA', () => transport.size('celery')],
      ['EVALSHA', () => transport.peek('celery', { place: 'ready', first: 'next', limit: 10 })],
      ['EVALSHA', () => deadLetters.list()],
      ['EVALSHA', () => deadLetters.get(1)],
      ['ZCARD', () => deadLetters.count()],
      ['SMEMBERS', () => transport.queues()],
    ];
    for (const [command, look] of looks) {
      await look(); // the server knows the script
      const loss = proxy.lose(what, 1, command);
      await look();
      expect(loss.lost).toContain(command);
    }
  });

  it.each([
    'reply',
    'request',
  ] as const)('a message that moves is in one queue when the %s was lost', async (what) => {
    await using transport = await behindProxy();
    const [from, to] = [`from-${what}`, `to-${what}`];
    await transport.publish(['a', 'b'].map((id) => publication(id, { queue: from })));
    const move = () =>
      transport.changeWaiting(from, {
        places: ['ready'],
        limit: 1,
        decide: ({ due }) => ({ queue: to, due, message: null }),
      });
    expect(await move()).toBe(1);
    proxy.lose(what, 1, 'EVALSHA');
    await expect(move()).rejects.toThrow('may have been done: look before you ask again');
    const left = what === 'reply' ? 0 : 1;
    expect((await transport.size(from)).ready).toBe(left);
    expect((await transport.size(to)).ready).toBe(2 - left);
  });

  it('who changes something hears that it may have been done when the reply was lost', async () => {
    await using transport = await behindProxy();
    const changes: (() => Promise<unknown>)[] = [
      () => transport.purge('celery'),
      () => transport.promote('celery', [1]),
      () => transport.deadLetters.replay(1),
      () => transport.deadLetters.discard(1),
    ];
    for (const change of changes) {
      await change();
      proxy.lose('reply', 1, 'EVALSHA');
      const error = await change().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error)).toContain('may have been done: look before you ask again');
    }
  });
});
