import { afterAll, beforeAll, describe } from 'vitest';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { redisStore } from './redis-store.ts';
import { conformance } from './run.ts';

needs(describe, noRedis)('on a real server', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  conformance('redis', () => redisStore(() => server));
});
