// Messages that were due while their queue was deleted: they lie in a queue of ours until their queue is there again.
import { type AmqpConnection, closeChannel } from './client/link.ts';
import { queueOfDelayed, unroutableQueue } from './declare.ts';
import { lookThrough } from './look-through.ts';
import type { Publisher } from './publisher.ts';
import { copyMark } from './republish.ts';
import { againOptions, returnedHeader } from './wire.ts';

/** Sends the messages for these queues there; the others stay, for workers of other queues. @throws when the connection is lost */
export async function sendUnroutable(
  connection: AmqpConnection,
  publisher: Publisher,
  queues: ReadonlySet<string>,
): Promise<void> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  for await (const message of lookThrough(channel, unroutableQueue)) {
    const routingKey = queueOfDelayed(message.fields.routingKey);
    if (!queues.has(routingKey)) continue;
    // Confirmed before the old copy is acknowledged: a crash in between leaves two copies, and this one says so.
    const options = againOptions(message, { [returnedHeader]: copyMark() });
    const outgoing = { id: '', exchange: '', routingKey, content: message.content, options };
    await publisher.send((declarations) => declarations.queue(routingKey), [outgoing]);
    channel.ack(message);
  }
  await closeChannel(channel);
}

/** The queues for which messages lie there, without messages that others look at now. @throws when the connection is lost */
export async function queuesOfUnroutable(connection: AmqpConnection): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  try {
    for await (const { fields } of lookThrough(channel, unroutableQueue)) {
      const queue = queueOfDelayed(fields.routingKey);
      counts.set(queue, (counts.get(queue) ?? 0) + 1);
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 404)) throw error;
    return counts; // no delayed message was sent yet
  }
  await closeChannel(channel);
  return counts;
}
