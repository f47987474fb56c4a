// A message that goes back to the broker is published again, with other headers; the old copy is acknowledged when the new one is confirmed.
import { randomInt } from 'node:crypto';
import { parseTimestamp } from '../../protocol/timestamp.ts';
import { isQuarantined } from '../quarantine.ts';
import type { AmqpDelivery } from './amqp-delivery.ts';
import { deadQueue, delayedAddress, quarantineQueueOf, shortestDelayMs } from './declare.ts';
import type { AmqpPublication } from './publisher.ts';
import {
  againOptions,
  announcedHeader,
  countOf,
  crashesHeader,
  deadHeader,
  deferralsHeader,
  replayedHeader,
  returnedHeader,
  untilHeader,
} from './wire.ts';

export type RedeliveryHeaders = Readonly<Record<string, unknown>>;

/** The redelivery metadata of a message. */
export function redeliveryHeadersOf({ source }: AmqpDelivery): RedeliveryHeaders {
  const crashes = countOf(source, crashesHeader);
  const deferrals = countOf(source, deferralsHeader);
  return {
    ...(crashes > 0 && { [crashesHeader]: crashes }),
    ...(deferrals > 0 && { [deferralsHeader]: deferrals }),
    ...(countOf(source, replayedHeader) > 0 && { [replayedHeader]: 1 }),
    ...(countOf(source, announcedHeader) > 0 && { [announcedHeader]: 1 }),
  };
}

/** When it is due, milliseconds since 1970, or 0: the later of the task's `eta` and the time of its deferral. */
export function dueOf({ message, source }: AmqpDelivery): number {
  const eta = message.ok ? message.value.headers.eta : null;
  const due = typeof eta === 'string' ? (parseTimestamp(eta)?.getTime() ?? 0) : 0;
  return Math.max(due, Number(source.properties.headers?.[untilHeader] ?? 0));
}

/** Where a copy goes: to its queue, to its delays, or to its queue's quarantine queue. */
export type RepublishTarget = 'queue' | 'delayed' | 'quarantined';

/** A copy for the queue it came from, or for its quarantine queue; if it must wait, through the broker's delays. */
export function republicationOf(
  { queue, source }: AmqpDelivery,
  headers: RedeliveryHeaders,
  due: number | null,
  now: number,
): { readonly outgoing: AmqpPublication; readonly goal: RepublishTarget } {
  const delayMs = due === null ? 0 : due - now;
  const crashes = Number(headers[crashesHeader] ?? 0);
  const goal = delayMs >= shortestDelayMs ? 'delayed' : isQuarantined(crashes) ? 'quarantined' : 'queue';
  // A crash before the old copy is acknowledged leaves two: this one says that it may be the second.
  const options = againOptions(source, {
    ...headers,
    [returnedHeader]: copyMark(),
    ...(due !== null && { [untilHeader]: due }),
  });
  const routingKey = goal === 'quarantined' ? quarantineQueueOf(queue) : queue;
  const address = goal === 'delayed' ? delayedAddress(queue, delayMs) : { exchange: '', routingKey };
  return { outgoing: { id: '', ...address, content: source.content, options }, goal };
}

/** The message for the dead-letter queue, with its metadata. */
export function deadLetterOf(
  { queue, source, crashes }: AmqpDelivery,
  { reason, detail }: { readonly reason: string; readonly detail: string },
  now: number,
): AmqpPublication {
  const { exchange, routingKey } = source.fields;
  const about = { id: newDeadLetterId(), queue, reason, detail, crashes, diedAt: now, exchange, routingKey };
  const options = againOptions(source, { [deadHeader]: JSON.stringify(about) });
  return { id: '', exchange: '', routingKey: deadQueue, content: source.content, options };
}

/** A random number by which two copies of a message differ. */
export function copyMark(): number {
  return randomInt(1, 2 ** 31);
}

// Two workers often publish a dead letter in the same millisecond.
const salt = Math.floor(Math.random() * 1000);
let lastId = 0;

/** Ascending, and with great probability unique. */
function newDeadLetterId(): number {
  lastId = Math.max(lastId + 1, Date.now() * 1000 + salt);
  return lastId;
}
