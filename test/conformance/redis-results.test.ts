import { afterAll, beforeAll, describe } from 'vitest';
import { openRedisBackend } from '../../src/stores/redis/redis-backend.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { backendCases } from './run.ts';

/** Servers; each case has a key prefix of its own. */
const ways = [
  { name: 'redis', start: [], prefix: 'case-' },
  { name: 'redis cluster in one slot', start: ['--cluster-enabled', 'yes'], prefix: '{umbel}:' },
];

for (const { name, start, prefix } of ways) {
  needs(describe, noRedis)('on a real server', () => {
    let server: RedisServerProcess;
    let stores = 0;
    beforeAll(async () => {
      const isShared = start.length === 0;
      server = isShared ? await RedisServerProcess.shared() : await RedisServerProcess.start(...start);
      if (isShared) return;
      server.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await until(() => server.cli('CLUSTER', 'INFO').includes('cluster_state:ok'));
    });
    afterAll(() => server[Symbol.asyncDispose]());

    backendCases(name, () => {
      const driver = { keyPrefix: `${prefix}${++stores}:` };
      return {
        openBackend: ({ expiresMs }) => openRedisBackend(server.url(), { expiresMs, driver }),
        remove: async () => {},
      };
    });
  });
}
