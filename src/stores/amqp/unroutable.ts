// What waited for its time and found no queue, because that had been deleted: it lies in a queue of ours until the other is there again.
import { type AmqpConnection, closeChannel } from './client/link.ts';
import { queueOfDelayed, unroutableQueue } from './declare.ts';
import { lookThrough } from './look-through.ts';
import type { Publisher } from './publisher.ts';
import { copyMark } from './republish.ts';
import { againOptions, returnedHeader } from './wire.ts';

/** Sends what is for these queues there; the rest stays, for workers of other queues. @throws the connection was lost */
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
    // Confirmed before the other is acknowledged: a death in between leaves two of it, of which this one says so.
    const options = againOptions(message, { [returnedHeader]: copyMark() });
    const outgoing = { id: '', exchange: '', routingKey, content: message.content, options };
    await publisher.send((declarations) => declarations.queue(routingKey), [outgoing]);
    channel.ack(message);
  }
  await closeChannel(channel);
}

/** The queues for which such messages lie there, without those that others look at now. @throws the connection was lost */
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
    return counts; // nobody has sent for later yet
  }
  await closeChannel(channel);
  return counts;
}
