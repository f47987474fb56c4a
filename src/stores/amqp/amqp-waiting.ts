// Changes to the next messages of a queue of RabbitMQ. Each is taken from the queue, published at its new place and confirmed, and then acknowledged.
import { checkQueueName } from '../reserved-names.ts';
import { type PlacedMessage, type WaitingChanges, waitingWindow } from '../waiting.ts';
import { type AmqpChannel, type AmqpGetMessage, closeChannel } from './client/link.ts';
import { checkQueueLength } from './declare.ts';
import type { AmqpPublication, Publisher } from './publisher.ts';
import { copyMark } from './republish.ts';
import {
  againOptions,
  announcedHeader,
  crashesHeader,
  deferralsHeader,
  fromMessage,
  replayedHeader,
  returnedHeader,
  untilHeader,
} from './wire.ts';

interface Taken extends PlacedMessage {
  readonly source: AmqpGetMessage;
}

/** See `Transport.changeWaiting`; of a decision only the queue counts. Quarantined messages, and those that wait at the broker for their time, are not reached. */
export function changeWaiting(
  publisher: Publisher,
  queue: string,
  changes: WaitingChanges,
  use: (queue: string) => void,
): Promise<number> {
  if (!changes.places.includes('ready')) return Promise.resolve(0);
  return publisher.during(async ({ connection, declarations }) => {
    await declarations.queue(queue);
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    let count = 0;
    try {
      while (count < changes.limit) {
        const taken = await take(channel, queue, Math.min(waitingWindow, changes.limit - count));
        if (taken.length === 0) break;
        const decided = taken.map((found) => ({ found, decision: changes.decide(found) }));
        const outgoing = decided.flatMap(({ found, decision }) =>
          typeof decision === 'string' ? [] : [publicationOf(found.source, decision.queue)],
        );
        for (const { decision } of decided) {
          if (typeof decision === 'string') continue;
          checkQueueName(decision.queue);
          checkQueueLength(decision.queue);
          use(decision.queue);
          await declarations.queue(decision.queue);
        }
        // Confirmed before the old copies are acknowledged: a crash in between leaves two of one id, of which one is marked.
        await publisher.send(async () => undefined, outgoing);
        const done = decided.filter(({ decision }) => decision !== 'keep').map(({ found }) => found);
        for (const { source } of done) channel.ack(source);
        count += done.length;
        await changes.changed?.(done);
      }
    } finally {
      await closeChannel(channel); // also sends acknowledgements that are on their way; what was not acknowledged is back in its place
    }
    return count;
  });
}

async function take(channel: AmqpChannel, queue: string, most: number): Promise<readonly Taken[]> {
  const got = await Promise.all(Array.from({ length: most }, () => channel.get(queue)));
  return got
    .filter((each) => each !== false)
    .map((source) => ({ source, due: null, message: fromMessage(source, false) }));
}

/** The same message for another queue. */
function publicationOf(source: AmqpGetMessage, queue: string): AmqpPublication {
  const given: Readonly<Record<string, unknown>> = source.properties.headers ?? {};
  const kept = Object.fromEntries(
    redeliveryMarks.flatMap((name) => (name in given ? [[name, given[name]]] : [])),
  );
  const options = againOptions(source, { ...kept, [returnedHeader]: copyMark() });
  return { id: '', exchange: '', routingKey: queue, content: source.content, options };
}

const redeliveryMarks = [crashesHeader, deferralsHeader, replayedHeader, untilHeader, announcedHeader];
