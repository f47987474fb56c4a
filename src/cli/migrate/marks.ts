// Marks at the destination broker of messages that were moved: from the publication of a message until it is deleted at the source. A run
// that dies between the two leaves its marks, so that the next run does not publish these messages again.
import { createHash } from 'node:crypto';
import type { WireMessage } from '../../protocol/message.ts';
import { SqliteStore, type Transaction } from '../../stores/sqlite/sqlite.ts';
import type { StoreWrite } from '../../stores/store-write.ts';
import type { Publication, Transport } from '../../stores/transport.ts';

export interface Marks extends AsyncDisposable {
  /** Whether a message is published only once, however often the publication is repeated. */
  readonly once: boolean;
  /** The publication with a mark, which happens once for each mark. */
  marked(publication: Publication, mark: string): Publication;
  /** Deletes the marks of messages that are settled at the source. */
  forget(marks: readonly string[]): Promise<void>;
  /** Deletes all marks, even those of runs that died, once no message is left that may have been moved before. */
  forgetAll(): Promise<void>;
}

const prefix = 'migrate-';

/** The mark of a message: equal for the same message of the same queue and broker, and for no other. */
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
 * The marks at the broker of `url`. RabbitMQ has none: a run that dies in between leaves messages at both brokers, and the next run publishes
 * them again.
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

/** Marks in the embedded store, written in the transaction that stores the message. */
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

/** Redis' own notes of sent messages, under the mark instead of the task's id, since the same task may be moved here again. */
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
