// Scheduled messages at the source. They are made due there, so that they can be claimed; their eta is in the message, and moves with it.

import { decodeEnvelope } from '../../protocol/envelope.ts';
import type { WireMessage } from '../../protocol/message.ts';
import { type AmqpGetMessage, AmqpLink, closeChannel } from '../../stores/amqp/client/link.ts';
import { amqpSettings } from '../../stores/amqp/client/settings.ts';
import { fromMessage } from '../../stores/amqp/wire.ts';
import { SqliteStore } from '../../stores/sqlite/sqlite.ts';
import type { Transport } from '../../stores/transport.ts';

/** Selects the messages that are moved. */
interface MoveFilter {
  readonly queues: ReadonlySet<string>;
  fits(message: WireMessage): boolean;
}

export interface DueMessage extends AsyncDisposable {
  /**
   * Makes the next scheduled messages of a queue due, so that they can be claimed; returns their number. A worker of ours that gets one of them
   * puts it back until its eta.
   */
  release(queue: string): Promise<number>;
  /**
   * For brokers whose scheduled messages cannot be claimed: passes each message that fits to `move`, at most `room()` at a time and until that
   * is 0, and deletes it at the source after the move. Returns the number of messages.
   */
  drain(
    which: MoveFilter,
    move: (queue: string, message: WireMessage) => Promise<void>,
    room: () => number,
  ): Promise<number>;
}

/** How many messages are made due at a time: a larger batch blocks the store for longer. */
const batch = 500;

export async function waitingAt(transport: Transport, url: string, driver: object): Promise<DueMessage> {
  if (transport.store instanceof SqliteStore) return inSqlite(transport.store);
  if (transport.name === 'redis') return inRedis(url, driver);
  if (transport.name === 'amqp') return inRabbit(url, driver);
  return {
    release: async () => 0,
    drain: async () => 0,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function inSqlite(store: SqliteStore): DueMessage {
  return {
    release: (queue) =>
      store.write(true, ({ sql }) => {
        const now = Date.now();
        const rows = sql(
          'SELECT due, seq FROM scheduled JOIN message USING (seq) WHERE queue = ? AND due > ? ORDER BY due LIMIT ?',
        ).all(queue, now, batch);
        for (const { due, seq } of rows)
          sql('UPDATE scheduled SET due = ? WHERE due = ? AND seq = ?').run(now, Number(due), Number(seq));
        return rows.length;
      }),
    drain: async () => 0,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/**
 * Messages are taken directly from the schedule, since a consumer puts messages that are not due back into it. If a worker makes a message due
 * meanwhile, the message is also claimed from its queue, and its mark shows that it was moved.
 */
async function inRedis(url: string, driver: object): Promise<DueMessage> {
  const [{ RedisConnection }, { redisSettings }, { splitMetadata }] = await Promise.all([
    import('../../stores/redis/client/connection.ts'),
    import('../../stores/redis/client/settings.ts'),
    import('../../stores/redis/redelivery-metadata.ts'),
  ]);
  const settings = redisSettings(url, 'broker', { ...driver });
  const connection = await RedisConnection.open(settings);
  const keyOf = (queue: string): string => `${settings.keyPrefix}umbel:schedule:${queue}`;
  return {
    release: async () => 0,
    async drain({ queues, fits }, move, room) {
      let moved = 0;
      for (const queue of queues) {
        // Messages that do not fit stay. Messages that cannot be read stay, too: a worker gets them when they are due.
        for (let unread = 0; room() > 0; ) {
          const range = ['ZRANGE', keyOf(queue), String(unread), String(unread + room() - 1)];
          const members = await connection.call(range, { buffers: true });
          if (!Array.isArray(members) || members.length === 0) break;
          const going = members.map(async (member) => {
            const decoded =
              member instanceof Buffer ? decodeEnvelope(splitMetadata(afterStep(member)).raw) : null;
            if (decoded?.ok !== true || !fits(decoded.value)) return false;
            await move(queue, decoded.value);
            await connection.call(['ZREM', keyOf(queue), member]);
            return true;
          });
          const gone = (await Promise.all(going)).filter(Boolean).length;
          unread += going.length - gone;
          moved += gone;
        }
      }
      return moved;
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** The stored message in a member of the schedule, which begins with the priority's step and a colon. */
function afterStep(member: Buffer): Buffer {
  return member.subarray(member.indexOf(':') + 1);
}

/** The delay queues of Celery, and ours below a second, from the longest to the shortest, which is the order in which messages pass them. */
const levels: readonly string[] = [
  ...Array.from({ length: 28 }, (_, n) => `celery_delayed_${27 - n}`),
  ...Array.from({ length: 7 }, (_, n) => `umbel_delayed_${6 - n}`),
];

/** The queue to which a delayed message will go. */
export function delayedFor(routingKey: string): string | null {
  const words = routingKey.split('.');
  const bits = words.findIndex((word) => word !== '0' && word !== '1');
  if (words.length <= 28 || (bits >= 0 && bits < 28)) return null;
  const isFine = words.at(-1) === 'umbel_ms' && words.length > 36;
  return isFine ? words.slice(35, -1).join('.') : words.slice(28).join('.');
}

function inRabbit(url: string, driver: object): DueMessage {
  const settings = amqpSettings(url, 'broker', { ...driver });
  const link = new AmqpLink(settings);
  return {
    release: async () => 0,
    async drain(which, move, room) {
      const connection = await link.ready(10_000);
      let moved = 0;
      for (const level of levels) {
        const channel = await connection.createChannel();
        channel.on('error', () => undefined); // the queue does not exist, so no message waits
        try {
          // Messages for other queues are held, and go back when the channel is closed.
          let { messageCount: left } = await channel.checkQueue(level);
          while (left > 0 && room() > 0) {
            const going: Promise<void>[] = [];
            for (const most = room(); going.length < most && left > 0; left--) {
              const message: AmqpGetMessage | false = await channel.get(level);
              if (message === false) left = 0;
              const taken = message === false ? null : fittingOf(message, which);
              if (message === false || taken === null) continue;
              going.push(move(taken.queue, taken.message).then(() => channel.ack(message)));
            }
            await Promise.all(going);
            moved += going.length;
          }
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 404)) throw error;
        } finally {
          await closeChannel(channel);
        }
      }
      return moved;
    },
    [Symbol.asyncDispose]: () => link.close(),
  };
}

/** The message, if it fits; null: it is not to be moved, or cannot be read. */
function fittingOf(
  message: AmqpGetMessage,
  { queues, fits }: MoveFilter,
): { readonly queue: string; readonly message: WireMessage } | null {
  const queue = delayedFor(message.fields.routingKey);
  const decoded = fromMessage(message, false);
  return queue !== null && queues.has(queue) && decoded.ok && fits(decoded.value)
    ? { queue, message: decoded.value }
    : null;
}
