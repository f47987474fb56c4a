import { afterAll, beforeAll, describe } from 'vitest';
import { openRedisBackend } from '../../src/results/redis/redis-backend.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { backendCases } from './run.ts';

describe.skipIf(noRedis)('on a real server', () => {
  let server: RedisServerProcess;
  let stores = 0;
  beforeAll(async () => {
    server = await RedisServerProcess.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  backendCases('redis', () => {
    const driver = { keyPrefix: `case-${++stores}:` };
    return {
      openBackend: ({ expiresMs }) => openRedisBackend(server.url(), { expiresMs, driver }),
      remove: async () => {},
    };
  });
});
