// The servers whose dashboard strangers ask, beside the embedded store.
import { onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { newApp } from '../worker/bench.ts';

interface HostileStore {
  readonly name: string;
  /** Why it is not there. */
  readonly missing: string | undefined;
  /** An application on it, until the test ends. */
  open(): Promise<App>;
}

const password = 'p:a/ss@word';

export const hostileStores: readonly HostileStore[] = [
  {
    name: 'a Redis with a password',
    missing: noRedis,
    async open() {
      const redis = await RedisServerProcess.start('--requirepass', password);
      onTestFinished(() => redis[Symbol.asyncDispose]());
      return appOn(redis.url().replace('//', `//:${encodeURIComponent(password)}@`));
    },
  },
  {
    name: 'RabbitMQ, with results by rpc',
    missing: noRabbit,
    async open() {
      const rabbit = await RabbitServerProcess.shared();
      return appOn(rabbit.url(rabbit.vhost()), { backend: 'rpc://' });
    },
  },
  {
    name: 'Redis, with results and the history in PostgreSQL',
    missing: noRedis ?? noPostgres,
    async open() {
      const [redis, postgres] = [await RedisServerProcess.shared(), await PostgresServerProcess.shared()];
      return appOn(redis.url(), { backend: postgres.url(), historyStore: postgres.url() });
    },
  },
];

/** Its history is a file of its own, unless `options` names one. */
function appOn(broker: string, options: AppOptions = {}): Promise<App> {
  return newApp('memory', { broker, ...options });
}
