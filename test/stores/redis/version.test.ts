import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openRedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { storeVersion } from '../../../src/stores/store-version.ts';
import type { Consumer } from '../../../src/stores/transport.ts';
import { needs } from '../../needs.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';

needs(describe, noRedis)('names in Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const join = async (keyPrefix: string): Promise<Consumer> => {
    const transport = await openRedisTransport(server.url(), { queues: [], driver: { keyPrefix } });
    onTestFinished(() => transport.close());
    return transport.consume({ queues: ['celery'], name: 'test', leaseMs: 900 });
  };

  it('have a version, which the first worker writes', async () => {
    await join('v-new:');
    expect(server.cli('GET', 'v-new:umbel:version')).toBe(String(storeVersion));
    await join('v-new:');
  });

  it.each([
    ['v-next:', ['SET', 'v-next:umbel:version', String(storeVersion + 1)], /update this Umbel/],
    ['v-list:', ['ZADD', 'v-list:umbel:fallen', '1', 'x'], /let the Umbel that wrote it finish/],
    ['v-line:', ['LPUSH', 'v-line:umbel:suspects:celery', 'x'], /let the Umbel that wrote it finish/],
  ])('of another version are refused, and nothing is written there: %s', async (prefix, written, wayOut) => {
    server.cli(...written);
    const error = await join(prefix).then(
      () => null,
      (refusal: unknown) => refusal,
    );
    expect(error).toMatchObject({ code: 'UMBEL_STORE_VERSION', known: storeVersion });
    expect(String(error)).toMatch(wayOut);
    expect(server.cli('EXISTS', `${prefix}umbel:consumers`)).toBe('0');
  });
});
