// Reads since when the oldest message of a queue waits, without claiming it.
import type { App } from '../../app/app.ts';
import { brokerOptions } from '../../config/driver-options.ts';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import type { WireMessage } from '../../protocol/message.ts';

/** Reads queues without changing them. */
export interface OldestReader extends AsyncDisposable {
  /** Since when the oldest message waits, milliseconds since 1970; null: no message waits, or the time is unknown. */
  waitsSince(queue: string): Promise<number | null>;
}

/**
 * A reader for the embedded store and Redis. On RabbitMQ the time is always unknown: a message can only be read by taking it, which would mark
 * it as redelivered.
 */
export async function openOldestReader(app: App): Promise<OldestReader> {
  const transport = await app.broker();
  if (transport.name === 'sqlite') return sqliteOldestReader(transport.store);
  if (transport.name === 'redis') return redisOldestReader(app);
  return { waitsSince: async () => null, [Symbol.asyncDispose]: async () => undefined };
}

/** When the message's wait began: the time in its id, if Umbel made the id, or its eta, if that is later. */
export function waitingSince({
  headers,
  properties,
}: Pick<WireMessage, 'headers' | 'properties'>): number | null {
  const id = typeof headers.id === 'string' ? headers.id : properties.correlationId;
  const made = id === null ? null : timeOfId(id);
  if (made === null) return null;
  const eta = typeof headers.eta === 'string' ? Date.parse(headers.eta) : Number.NaN;
  return Number.isFinite(eta) ? Math.max(made, eta) : made;
}

/** The time in a UUID of version 7. Python's ids have none. */
export function timeOfId(id: string): number | null {
  if (!/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.test(id)) return null;
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function sinceOf(raw: Uint8Array | string): number | null {
  const message = decodeEnvelope(raw);
  return message.ok ? waitingSince(message.value) : null;
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

async function sqliteOldestReader(store: object): Promise<OldestReader> {
  const { SqliteStore } = await import('../../stores/sqlite/sqlite.ts');
  if (!(store instanceof SqliteStore)) throw new TypeError('the embedded transport has another store');
  // Reads the first message of each priority: the key is (queue, priority, seq).
  const next = `SELECT priority, envelope FROM ready JOIN message USING (queue, priority, seq)
    WHERE queue = ? AND priority > ? ORDER BY priority, seq LIMIT 1`;
  return {
    async waitsSince(queue) {
      const times: (number | null)[] = [];
      store.read((sql) => {
        for (let priority = -1; ; ) {
          const row = sql(next).get(queue, priority);
          if (row === undefined) return;
          const { envelope } = row;
          if (typeof envelope === 'string' || envelope instanceof Uint8Array) times.push(sinceOf(envelope));
          priority = Number(row.priority);
        }
      });
      return earliest(times);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function redisOldestReader({ config }: App): Promise<OldestReader> {
  const [{ RedisConnection }, { redisSettings }, { listKey }] = await Promise.all([
    import('../../stores/redis/client/connection.ts'),
    import('../../stores/redis/client/settings.ts'),
    import('../../stores/redis/keys.ts'),
  ]);
  const settings = redisSettings(config.broker, 'broker', brokerOptions(config));
  const connection = await RedisConnection.open(settings);
  return {
    async waitsSince(queue) {
      const heads = await Promise.all(
        settings.prioritySteps.map((step) =>
          connection.call(['LINDEX', listKey(settings.keyPrefix, queue, step), '-1']),
        ),
      );
      return earliest(heads.map((head) => (typeof head === 'string' ? sinceOf(unmarked(head)) : null)));
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** The envelope without our redelivery metadata, which stands before it. */
function unmarked(stored: string): string {
  return stored.slice(Math.max(0, stored.indexOf('{')));
}
