// The stores that workflows are tested on: one store, one server, two stores.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

export interface Urls {
  readonly broker: string;
  readonly backend: string;
}

export interface Place extends AsyncDisposable {
  /** A new, empty place for an application's messages and results. */
  next(): Promise<Urls>;
  /** The Redis server in it, to look into. */
  readonly redis?: RedisServerProcess;
}

export interface StoreKind {
  readonly name: string;
  /** Why it cannot be tested here; undefined when it can. */
  readonly missing: string | undefined;
  start(): Promise<Place>;
}

export const storeKinds: readonly StoreKind[] = [
  {
    name: 'memory',
    missing: undefined,
    start: async () => ({
      next: async () => {
        const url = `memory://${crypto.randomUUID()}`;
        return { broker: url, backend: url };
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  {
    name: 'sqlite',
    missing: undefined,
    start: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'umbel-workflows-'));
      return {
        next: async () => {
          const url = `sqlite://${join(folder, `${crypto.randomUUID()}.db`)}`;
          return { broker: url, backend: url };
        },
        [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
      };
    },
  },
  {
    name: 'redis',
    missing: noRedis,
    start: async () => {
      const redis = await RedisServerProcess.start();
      let database = 0;
      return {
        redis,
        next: async () => {
          const url = redis.url(database++ % 16);
          return { broker: url, backend: url };
        },
        [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: 'rabbitmq and redis',
    missing: noRabbit ?? noRedis,
    start: async () => {
      const [rabbit, redis] = await Promise.all([RabbitServerProcess.start(), RedisServerProcess.start()]);
      let database = 0;
      return {
        redis,
        next: async () => {
          const backend = redis.url(database++ % 16);
          return { broker: rabbit.url(), backend };
        },
        async [Symbol.asyncDispose]() {
          await Promise.all([rabbit[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
        },
      };
    },
  },
];
