// The stores that workflows are tested on: one store, one server, two stores.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { inLongRun } from '../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

export interface Urls {
  readonly broker: string;
  readonly backend: string;
}

export interface Place extends AsyncDisposable {
  /** A new, empty place for an application's messages and results. */
  next(): Promise<Urls>;
  /** What is kept of chords that are not done, read past all of our code where it can be. */
  openChords(): Promise<readonly string[]>;
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
      openChords: async () => [], // gone with the process
      [Symbol.asyncDispose]: async () => {},
    }),
  },
  {
    name: 'sqlite',
    missing: undefined,
    start: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'umbel-workflows-'));
      const files: string[] = [];
      return {
        openChords: async () => (await Promise.all(files.map(openChordsIn))).flat(),
        next: async () => {
          const file = join(folder, `${crypto.randomUUID()}.db`);
          files.push(file);
          const url = `sqlite://${file}`;
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
      const redis = await RedisServerProcess.shared();
      let database = 0;
      return {
        openChords: async () => chordKeys(redis, database),
        next: async () => {
          const url = redis.url(database++ % 16);
          return { broker: url, backend: url };
        },
        [Symbol.asyncDispose]: async () => {},
      };
    },
  },
  {
    name: 'rabbitmq and redis',
    missing: noRabbit ?? noRedis,
    start: async () => {
      const [rabbit, redis] = await Promise.all([RabbitServerProcess.shared(), RedisServerProcess.shared()]);
      let database = 0;
      return {
        openChords: async () => chordKeys(redis, database),
        next: async () => {
          const backend = redis.url(database++ % 16);
          return { broker: rabbit.url(), backend };
        },
        [Symbol.asyncDispose]: async () => {},
      };
    },
  },
  {
    name: 'redis, results in postgresql',
    missing: noRedis ?? noPostgres,
    start: async () => {
      const [redis, postgres] = await Promise.all([
        RedisServerProcess.shared(),
        PostgresServerProcess.shared(),
      ]);
      let database = 0;
      return {
        openChords: async () => {
          const rows = await postgres.sql(
            'SELECT group_id FROM umbel.chord WHERE NOT done UNION SELECT group_id FROM umbel.chord_part',
          );
          return rows.map((row) => String(row.group_id));
        },
        next: async () => ({ broker: redis.url(database++ % 16), backend: postgres.url() }),
        [Symbol.asyncDispose]: async () => {},
      };
    },
  },
];

/** Why this kind is not tested in this run: it cannot be had, or is not one of those that the default run has for this proof. */
export function missingIn(kind: StoreKind, byDefault: readonly string[]): string | undefined {
  return kind.missing ?? (byDefault.includes(kind.name) ? undefined : inLongRun);
}

/** Not the notes that chords were done, nor what is kept of the shape of workflows. */
function chordKeys(redis: RedisServerProcess, databases: number): string[] {
  const keys: string[] = [];
  for (let db = 0; db < Math.min(16, databases); db++)
    keys.push(...redis.cli('-n', String(redis.db(db)), 'KEYS', 'celery-taskset-meta-*').split('\n'));
  return keys.filter((key) => /\.[bjstcx]$/.test(key));
}

async function openChordsIn(file: string): Promise<string[]> {
  const store = await SqliteStore.open(file, { shared: false });
  try {
    return store
      .read((sql) =>
        sql('SELECT group_id FROM chord WHERE done = 0 UNION SELECT group_id FROM chord_part').all(),
      )
      .map((row) => String(row.group_id));
  } finally {
    await store.close();
  }
}
