// Moves messages from one broker to another. A message is settled at the source only after the destination has confirmed it. So after any
// failure each message is at one of the two brokers, or at both.
import { BrokerUnavailable, SendUnconfirmed } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import type { WireMessage } from '../../protocol/message.ts';
import type { Consumer, Delivery, Publication, Transport } from '../../stores/transport.ts';
import { UsageError } from '../usage.ts';
import { type Marks, markOf } from './marks.ts';
import { etaOf, idOf } from './reading.ts';
import type { DueMessage } from './scheduled.ts';

interface MoveRoute {
  /** Queues at the source, with the queue at the destination of each. */
  readonly queues: ReadonlyMap<string, string>;
  /** Name of the source broker, which is part of each mark. */
  readonly source: string;
  readonly limit: number | null;
  /** The move ends when no message has come for this time, milliseconds. */
  readonly idleMs: number;
  /** Whether a message is to be moved. The others stay, in their position if the broker can keep it. */
  fits(message: WireMessage): boolean;
  /** Whether to wait for further messages at the end. */
  readonly forever: boolean;
  readonly signal: AbortSignal;
  /** Whether `fits` may reject messages. */
  readonly filtered: boolean;
  onMoved(count: number): void;
}

export interface Moved {
  readonly moved: number;
  /** How many messages could not be read. They went to the dead letters of the source. */
  readonly dead: number;
  /** How many were published while a worker of the source got them, too. They may run twice. */
  readonly doubled: number;
  /** Whether the queues are empty, except for messages that workers hold. */
  readonly complete: boolean;
}

interface MoveContext {
  readonly from: Transport;
  readonly waiting: DueMessage;
  readonly to: Transport;
  readonly marks: Marks;
}

const batch = 100;
/** After this time without a message, milliseconds, the queues are checked for remaining messages. */
const pollIntervalMs = 250;
/** The shortest `idleMs`: two checks that find nothing. */
export const minIdleMs: number = 2 * pollIntervalMs;
/** How many messages that do not fit are held at most, until the move ends. */
const maxHeld = 10_000;
const leaseMs = 15_000;
/** How long one attempt to publish may take, milliseconds. */
const publishMs = 10_000;
/** How long a mark is kept if no run deletes it, milliseconds. The transport keeps its notes three times as long as a publication may take. */
const markMs = 24 * 3_600_000;
const tries = 6;
const retryPolicy = { factor: 400, maximum: 3000, jitter: true } as const;

/** @throws BrokerUnavailable, SendUnconfirmed when one of the brokers stays away. The remaining messages are still at the source. */
export async function move(ends: MoveContext, route: MoveRoute): Promise<Moved> {
  const mover = new Mover(ends, route);
  const consumer = await ends.from.consume({
    queues: [...route.queues.keys()],
    name: `migrate@${process.pid}`,
    leaseMs,
    slots: route.filtered ? batch + maxHeld : batch,
  });
  try {
    await mover.run(consumer);
  } finally {
    await consumer.close(); // gives back the messages that it holds
  }
  return { ...mover.counts, complete: mover.complete };
}

class Mover {
  readonly counts: { moved: number; dead: number; doubled: number } = { moved: 0, dead: 0, doubled: 0 };
  /** Whether no message is left. */
  complete = false;
  readonly #ends: MoveContext;
  readonly #route: MoveRoute;
  #held = 0;

  constructor(ends: MoveContext, route: MoveRoute) {
    this.#ends = ends;
    this.#route = route;
  }

  async run(consumer: Consumer): Promise<void> {
    let idle = 0;
    let since = performance.now();
    const isOver = (): boolean => idle >= 2 && performance.now() - since >= this.#route.idleMs;
    while (this.#room() > 0 && !this.#route.signal.aborted && !isOver()) {
      const deliveries = await this.#claim(consumer);
      if (deliveries.length > 0) await this.#move(deliveries);
      idle = deliveries.length > 0 || (await this.#more()) ? 0 : idle + 1;
      if (idle === 0) since = performance.now();
    }
    this.complete = this.#room() > 0 && !this.#route.signal.aborted;
  }

  #room(): number {
    const { limit } = this.#route;
    return limit === null ? batch : Math.min(batch, limit - this.counts.moved);
  }

  /** Claims messages; returns none if none came for `pollIntervalMs`. */
  async #claim(consumer: Consumer): Promise<readonly Delivery[]> {
    const waiting = new AbortController();
    const stop = (): void => waiting.abort();
    const timer = setTimeout(stop, pollIntervalMs);
    this.#route.signal.addEventListener('abort', stop, { once: true });
    try {
      return await consumer.claim(() => this.#room(), waiting.signal);
    } finally {
      clearTimeout(timer);
      this.#route.signal.removeEventListener('abort', stop);
    }
  }

  /** Looks for scheduled messages, and for messages that are in the queue after all. */
  async #more(): Promise<boolean> {
    const { waiting, from } = this.#ends;
    const { queues, signal, forever } = this.#route;
    if (signal.aborted) return false;
    let found = 0;
    for (const queue of queues.keys()) found += await waiting.release(queue);
    found += await this.#drain();
    if (found > 0 || forever) return true;
    for (const queue of queues.keys()) {
      const { ready, claimed } = await from.size(queue);
      // On RabbitMQ, messages that were pushed to us count as claimed. On the other brokers, messages that workers hold count as well.
      if (ready > 0 || (from.name === 'amqp' && claimed > this.#held)) return true;
    }
    return false;
  }

  async #drain(): Promise<number> {
    const { queues, signal, source } = this.#route;
    const done: string[] = [];
    const one = async (queue: string, message: WireMessage): Promise<void> => {
      const mark = markOf(source, queue, message);
      await this.#publish([{ publication: this.#publication(queue, message, mark), mark }]);
      done.push(mark);
      this.#count(1);
    };
    const room = (): number => (signal.aborted ? 0 : this.#room());
    const which = { queues: new Set(queues.keys()), fits: this.#route.fits };
    const drained = await this.#ends.waiting.drain(which, one, room);
    await again(() => this.#ends.marks.forget(done));
    return drained;
  }

  async #move(deliveries: readonly Delivery[]): Promise<void> {
    const going: { delivery: Delivery; publication: Publication; mark: string }[] = [];
    for (const delivery of deliveries) {
      if (delivery.message.ok && !this.#route.fits(delivery.message.value)) this.#hold();
      else if (delivery.message.ok) {
        const mark = markOf(this.#route.source, delivery.queue, delivery.message.value);
        going.push({
          delivery,
          mark,
          publication: this.#publication(delivery.queue, delivery.message.value, mark),
        });
      } else {
        const { detail } = delivery.message.refusal;
        await again(() => delivery.settle({ kind: 'dead', reason: 'undecodable', detail }));
        this.counts.dead++;
      }
    }
    await this.#publish(going);
    const settled = await Promise.all(
      going.map(({ delivery }) => again(() => delivery.settle({ kind: 'ack' }))),
    );
    await again(() => this.#ends.marks.forget(going.map(({ mark }) => mark)));
    this.counts.doubled += settled.filter((result) => result === 'fenced').length;
    this.#count(going.length);
  }

  /** Holds a message that does not fit until the consumer leaves: if it were given back at once, it would come again at once. */
  #hold(): void {
    this.#held++;
    if (this.#held > maxHeld)
      throw new UsageError(
        `more than ${maxHeld} messages of other tasks wait before those of -T: let workers run these first, or move the whole queue`,
      );
  }

  #count(moved: number): void {
    this.counts.moved += moved;
    this.#route.onMoved(moved);
  }

  #publication(queue: string, message: WireMessage, mark: string): Publication {
    const to = this.#route.queues.get(queue) ?? queue;
    const { deliveryInfo } = message.properties;
    const renamed = to !== queue && deliveryInfo.routing_key === queue;
    const properties = {
      ...message.properties,
      deliveryInfo: {
        exchange: renamed ? '' : deliveryInfo.exchange,
        routing_key: renamed ? to : deliveryInfo.routing_key,
      },
    };
    return {
      id: idOf(message) ?? mark,
      queue: to,
      message: { ...message, properties },
      eta: etaOf(message),
    };
  }

  /** Publishes until the destination confirms. If it has marks, a repetition does not store the message twice. */
  async #publish(
    going: readonly { readonly publication: Publication; readonly mark: string }[],
  ): Promise<void> {
    const { to, marks } = this.#ends;
    const publications = going.map(({ publication, mark }) => marks.marked(publication, mark));
    if (publications.length === 0) return;
    await again(() =>
      to.publish(publications, { timeoutMs: markMs / 3, signal: AbortSignal.timeout(publishMs) }),
    );
  }
}

/** Repeats `work` while a broker is away for a short time. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  const passes = (error: unknown): boolean =>
    error instanceof BrokerUnavailable ||
    error instanceof SendUnconfirmed ||
    (error instanceof Error && error.name === 'TimeoutError');
  const when = (error: unknown, failures: number): boolean => passes(error) && failures + 1 < tries;
  return retrying(work, { policy: retryPolicy, clock: systemClock, when });
}
