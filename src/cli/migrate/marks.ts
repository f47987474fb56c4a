// How the broker that messages are moved to remembers what it has got: from before a message is published until it is gone from where
// it came from. A run that dies between the two leaves its marks, and the next one does not publish those messages again.
import { createHash } from 'node:crypto';
import type { WireMessage } from '../../protocol/message.ts';
import { SqliteStore, type Transaction } from '../../stores/sqlite/sqlite.ts';
import type { StoreWrite } from '../../stores/store-write.ts';
import type { Publication, Transport } from '../../stores/transport.ts';

export interface Marks extends AsyncDisposable {
  /** Whether a message is published once only, however often it is tried. */
  readonly once: boolean;
  /** The publication, which from now on happens once for this mark. */
  marked(publication: Publication, mark: string): Publication;
  /** These are settled where they came from. */
  forget(marks: readonly string[]): Promise<void>;
  /** All, also those of runs that died: nothing is to be moved here any more that might be here already. */
  forgetAll(): Promise<void>;
}

const prefix = 'migrate-';

/** The same for the same message of the same queue of the same broker, and for no other. */
export function markOf(source: string, queue: string, { body, headers, properties }: WireMessage): string {
  const hash = createHash('sha256').update(source).update('\0').update(queue).update('\0');
  const { deliveryTag, correlationId, priority } = properties;
  hash.update(JSON.stringify([deliveryTag, correlationId, priority, headers], plain)).update('\0');
  return `${prefix}${hash.update(body).digest('hex').slice(0, 40)}`;
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/**
 * For the broker at `url`. RabbitMQ remembers nothing: there a run that dies in between leaves messages in both places, and the next
 * one publishes them again.
 */
export async function marksAt(transport: Transport, url: string, driver: object): Promise<Marks> {
  if (transport.name === 'sqlite' && transport.store instanceof SqliteStore)
    return sqliteMarks(transport.store);
  if (transport.name === 'redis') return redisMarks(url, driver);
  return {
    once: false,
    marked: (publication) => publication,
    forget: async () => undefined,
    forgetAll: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** In the transaction that stores the message. */
async function sqliteMarks(store: SqliteStore): Promise<Marks> {
  await store.migrate('migrated', ['CREATE TABLE migrated (mark TEXT PRIMARY KEY) WITHOUT ROWID']);
  return {
    once: true,
    marked: (publication, mark) => {
      const write: StoreWrite = {
        store,
        apply: ({ sql }: Transaction) =>
          Number(sql('INSERT OR IGNORE INTO migrated VALUES (?)').run(mark).changes) > 0,
      };
      return { ...publication, write };
    },
    forget: (marks) =>
      store.write(false, ({ sql }) => {
        for (const mark of marks) sql('DELETE FROM migrated WHERE mark = ?').run(mark);
      }),
    forgetAll: () => store.write(true, ({ sql }) => void sql('DELETE FROM migrated').run()),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** The transport's own note that something was sent, under the mark instead of the task's id: a task may come by here again. */
async function redisMarks(url: string, driver: object): Promise<Marks> {
  const [{ RedisConnection }, { redisSettings }, { sentKey }] = await Promise.all([
    import('../../stores/redis/client/connection.ts'),
    import('../../stores/redis/client/settings.ts'),
    import('../../stores/redis/keys.ts'),
  ]);
  const settings = redisSettings(url, 'broker', { ...driver });
  const connection = await RedisConnection.open(settings);
  return {
    once: true,
    marked: (publication, mark) => ({ ...publication, id: mark, once: true }),
    forget: async (marks) => {
      const keys = marks.map((mark) => sentKey(settings.keyPrefix, mark));
      if (keys.length > 0) await connection.call(['DEL', ...keys]);
    },
    async forgetAll() {
      const pattern = sentKey(settings.keyPrefix.replace(/[*?[\]\\]/g, '\\$&'), `${prefix}*`);
      for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
        const reply = await connection.call(['SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000']);
        const [next, keys] = Array.isArray(reply) ? reply : ['0', []];
        cursor = String(next);
        if (Array.isArray(keys) && keys.length > 0) await connection.call(['DEL', ...keys.map(String)]);
      }
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
