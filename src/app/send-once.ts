// Sends a task under an id that was decided before, at most once, even if the program died while it sent it and sends it again.
import { randomUUID } from 'node:crypto';
import type { Guard } from '../sending/submit.ts';
import type { Publication } from '../stores/transport.ts';
import type { App } from './app.ts';

/** How long the broker's store remembers that a task was sent, milliseconds. */
const rememberedMs = 7 * 24 * 3600 * 1000;

/**
 * Makes the guards of sends, each for one id. SQLite and Redis keep a lock that is written together with the message, and refuse a second message of
 * the same id. RabbitMQ cannot do that: there each message is marked as one of which there may be two, so that a worker looks for the end of the other
 * before it runs it.
 * @throws BrokerUnavailable
 */
export async function sendOnceGuards(app: App): Promise<(id: string) => Guard> {
  const { transport } = await app.open();
  const locks = await transport.openLocks?.();
  if (locks?.store !== transport.store || locks === undefined)
    return () => (publications) => publications.map(asCopy);
  return (id) => {
    // Each attempt takes the lock under an id of its own: the store refuses the second.
    const attempt = { id: randomUUID(), ttlMs: rememberedMs, replace: false };
    return (publications) =>
      publications.map((publication, n) => {
        if (publication.broadcast !== undefined) return publication;
        const write = locks.taking({ ...attempt, key: `retry:${id}:${n}` }, publication.write);
        return { ...publication, write };
      });
  };
}

function asCopy(publication: Publication): Publication {
  const { message } = publication;
  const deliveryInfo = { ...message.properties.deliveryInfo, redelivered: true };
  return { ...publication, message: { ...message, properties: { ...message.properties, deliveryInfo } } };
}
