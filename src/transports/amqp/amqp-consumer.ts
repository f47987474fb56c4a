// A worker's side of the RabbitMQ transport: the broker pushes, as much as there is room for, and claims hand out.
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type AmqpChannel,
  type AmqpConnection,
  AmqpLink,
  type AmqpMessage,
  closeChannel,
} from '../../clients/amqp/link.ts';
import type { AmqpSettings } from '../../clients/amqp/settings.ts';
import { BrokerUnavailable, ConfigError } from '../../errors.ts';
import { Alarm } from '../../lib/alarm.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { parseTimestamp } from '../../protocol/timestamp.ts';
import { isSuspect } from '../suspect.ts';
import type { ConsumeOptions, Consumer, Delivery, Publication, Settlement } from '../transport.ts';
import { Acks } from './acks.ts';
import { AmqpDelivery } from './amqp-delivery.ts';
import { Declarations, type Declared, deadQueue, delayedAddress, shortestDelayMs } from './declare.ts';
import type { Outgoing, Publisher } from './publisher.ts';
import {
  againOptions,
  countOf,
  deadHeader,
  parksHeader,
  returnedHeader,
  strikesHeader,
  untilHeader,
} from './wire.ts';

export interface AmqpConsumerParts {
  readonly settings: AmqpSettings;
  readonly declared: Declared;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly options: ConsumeOptions;
  /** Sends what follows a task. */
  readonly publish: (publications: readonly Publication[]) => Promise<void>;
  readonly onClose: () => void;
}

/** Suspects wait their turn at the broker, not here. */
const suspectPauseMs = 1500;
/**
 * A node that goes down ends one connection after the other, and what one loses it still pushes to the next: before a message that
 * came back is touched, ours has to have lived on for this long. Else there would be two of it after the restart.
 */
const aftershockMs = 400;
const leaveTimeoutMs = 3000;
/** How often one who waits looks whether it was forgotten. */
const glanceMs = 3000;
const glimpseMs = 50;
/** After so many idle looks a quorum queue is consumed from anew: see `#refresh`. */
const idleGlances = 5;
const patience = { factor: 50, maximum: 2000, jitter: true } as const;

/** What comes from one queue, on a channel of its own: what closes it harms no other. */
interface Feed {
  readonly queue: string;
  readonly channel: AmqpChannel;
  readonly acks: Acks;
  /** How many messages the broker may have pushed without an answer. */
  prefetch: number;
  readonly tags: string[];
  readonly ready: AmqpDelivery[];
  readonly held: Set<AmqpDelivery>;
  /** Those of `held` that a claim has handed out. */
  readonly out: Set<AmqpDelivery>;
  open: boolean;
  /** Messages that came. */
  arrivals: number;
  /** How many had come when messages were last seen to wait there; -1: none waited. */
  lastGlance: number;
  /** How many had come at the last look, and how often in a row nothing had. */
  glanced: number;
  idle: number;
}

export class AmqpConsumer implements Consumer {
  readonly #parts: AmqpConsumerParts;
  readonly #link: AmqpLink;
  readonly #closing = new AbortController();
  readonly #alarms = new Set<Alarm>();
  readonly #feeds = new Map<string, Feed>();
  readonly #queues: string[];
  #declarations: Declarations | null = null;
  /** The one suspect that is here. */
  #suspect: AmqpDelivery | null = null;
  #flowing: Promise<void> | null = null;
  #glancedMs: number = performance.now();
  #idle: (() => void) | null = null;

  constructor(parts: AmqpConsumerParts) {
    this.#parts = parts;
    this.#queues = [...new Set(parts.options.queues)];
    this.#link = new AmqpLink(parts.settings, {
      steady: true,
      // The server gives a connection up that was silent for two to three of these.
      heartbeat: Math.max(1, Math.floor(parts.options.leaseMs / 2500)),
      onReady: (connection) => {
        this.#declarations = new Declarations(connection, parts.declared, parts.settings.delayedQueueType);
        this.#wake();
      },
      onLost: () => {
        for (const feed of [...this.#feeds.values()]) this.#end(feed);
      },
    });
  }

  /** Resolves when the queues are declared. @throws BrokerUnavailable, ConfigError */
  async join(timeoutMs: number): Promise<void> {
    await this.#link.ready(timeoutMs);
    try {
      for (const queue of this.#queues) await this.#declarations?.queue(queue);
    } catch (error) {
      // Without a code it is not the server's word: the connection was lost meanwhile.
      if (!(error instanceof Error) || 'code' in error) throw error;
      throw new BrokerUnavailable(`${this.#parts.settings.shown}: ${error.message}`, { cause: error });
    }
  }

  /** How many messages of the queue are with this process. */
  held(queue: string): number {
    return this.#feeds.get(queue)?.held.size ?? 0;
  }

  /** Lets the connection go without a word, as if the process had died. For tests. */
  async die(): Promise<void> {
    const connection = this.#link.connection;
    if (connection === null) return;
    const gone = new Promise<void>((resolve) => connection.once('close', () => resolve()));
    const stream: unknown = 'connection' in connection && connection.connection;
    if (typeof stream === 'object' && stream !== null && 'stream' in stream) {
      const socket: unknown = stream.stream;
      if (
        typeof socket === 'object' &&
        socket !== null &&
        'destroy' in socket &&
        typeof socket.destroy === 'function'
      )
        socket.destroy(new Error('killed'));
    }
    await gone;
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    const alarm = new Alarm(this.#parts.clock);
    this.#alarms.add(alarm);
    signal.addEventListener('abort', alarm.ring, { once: true });
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        const room = capacity();
        if (room <= 0) return [];
        const deliveries = this.#take(room);
        if (deliveries.length > 0) return deliveries;
        await this.#flow(capacity);
        if (this.#feeds.size > 0 && [...this.#feeds.values()].some(({ ready }) => ready.length > 0)) continue;
        if (signal.aborted || this.#closing.signal.aborted) break;
        await alarm.sleep(glanceMs);
        if (performance.now() - this.#glancedMs > glanceMs / 2) {
          this.#glancedMs = performance.now();
          await this.#glance();
        }
        await nextTurn(); // what comes with it
      }
      return [];
    } finally {
      signal.removeEventListener('abort', alarm.ring);
      this.#alarms.delete(alarm);
      // Nobody asks any more: what was pushed ahead is for others.
      if (this.#alarms.size === 0 && (signal.aborted || this.#closing.signal.aborted)) await this.#rest();
      if (this.#alarms.size === 0) this.#idle?.();
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#wake();
    if (this.#alarms.size > 0) await new Promise<void>((done) => (this.#idle = done));
    await Promise.race([this.#leave(), this.#parts.clock.sleep(leaveTimeoutMs)]);
    for (const feed of [...this.#feeds.values()]) this.#end(feed);
    await this.#link.close();
    this.#parts.onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** In turn from each queue. */
  #take(room: number): AmqpDelivery[] {
    const taken: AmqpDelivery[] = [];
    for (let empty = 0; taken.length < room && empty < this.#queues.length; ) {
      const queue = this.#queues.shift();
      if (queue === undefined) break;
      this.#queues.push(queue);
      const feed = this.#feeds.get(queue);
      const delivery = feed?.ready.shift();
      if (feed === undefined || delivery === undefined) empty++;
      else {
        feed.out.add(delivery);
        taken.push(delivery);
        empty = 0;
      }
    }
    return taken;
  }

  /** Sees to it that the broker may push as much as is asked for, beside what is held already. */
  #flow(capacity: () => number): Promise<void> {
    this.#flowing ??= this.#open(capacity).finally(() => {
      this.#flowing = null;
    });
    return this.#flowing;
  }

  async #open(capacity: () => number): Promise<void> {
    const { connection } = this.#link;
    if (connection === null || this.#declarations === null) return;
    for (const queue of this.#queues) {
      if (this.#closing.signal.aborted) return;
      let feed = this.#feeds.get(queue);
      try {
        if (feed === undefined || !feed.open) {
          await this.#declarations.queue(queue);
          feed = await this.#newFeed(connection, queue);
        }
        const wanted = Math.min(feed.out.size + Math.max(1, capacity()), 65_535);
        if (feed.tags.length === 0 || feed.prefetch < wanted) await this.#widen(feed, wanted);
      } catch (error) {
        // The connection went meanwhile: the next one wakes who waits.
        if (this.#link.connection !== connection) return;
        if (feed !== undefined) this.#drop(feed);
        // Deleted since it was declared: once more, in a moment.
        if (isNotFound(error)) {
          await this.#parts.clock.sleep(glimpseMs);
          this.#wake();
          continue;
        }
        if (error instanceof ConfigError) throw error;
        throw new BrokerUnavailable(`cannot consume from '${queue}': ${String(error)}`, { cause: error });
      }
    }
  }

  /** Whether messages wait that are not pushed to us though there is room: then all begins anew. */
  async #glance(): Promise<void> {
    for (const feed of [...this.#feeds.values()]) {
      if (feed.held.size >= feed.prefetch) continue;
      feed.idle = feed.held.size === 0 && feed.arrivals === feed.glanced ? feed.idle + 1 : 0;
      feed.glanced = feed.arrivals;
      if (feed.idle >= idleGlances && this.#parts.declared.get(feed.queue)?.type === 'quorum') {
        await this.#refresh(feed);
        continue;
      }
      const { arrivals } = feed;
      try {
        const { messageCount } = await feed.channel.checkQueue(feed.queue);
        const isStuck = messageCount > 0 && feed.arrivals === arrivals && feed.lastGlance === arrivals;
        feed.lastGlance = messageCount > 0 ? feed.arrivals : -1;
        if (isStuck) this.#drop(feed);
      } catch {
        this.#drop(feed); // the queue is gone, or the channel
      }
    }
  }

  /**
   * RabbitMQ 3.10 tells a consumer nothing when its quorum queue is deleted; if the queue is declared again it takes the consumer for
   * the new one's, and gives it as many messages that never arrive as it had of the old one. They come back with the channel's end.
   */
  async #refresh(feed: Feed): Promise<void> {
    feed.idle = 0;
    await this.#stopConsuming(feed);
    // What came meanwhile has a place to be acknowledged in; else nothing is lost with the channel.
    if (feed.held.size === 0) this.#drop(feed);
  }

  async #stopConsuming(feed: Feed): Promise<void> {
    const tags = feed.tags.splice(0);
    feed.prefetch = 0;
    for (const tag of tags) await feed.channel.cancel(tag).catch(() => undefined);
  }

  #drop(feed: Feed): void {
    feed.acks.flush();
    this.#end(feed);
    void feed.channel.close().catch(() => undefined);
  }

  async #newFeed(connection: AmqpConnection, queue: string): Promise<Feed> {
    const channel = await connection.createChannel();
    const feed: Feed = {
      queue,
      channel,
      acks: new Acks(channel),
      prefetch: 0,
      tags: [],
      ready: [],
      held: new Set(),
      out: new Set(),
      open: true,
      arrivals: 0,
      lastGlance: -1,
      glanced: -1,
      idle: 0,
    };
    channel.on('error', () => undefined);
    channel.on('close', () => {
      this.#end(feed);
      this.#wake();
    });
    this.#feeds.set(queue, feed);
    return feed;
  }

  /** One more consumer with what is missing: the limits of consumers add up, and none is ever changed. */
  async #widen(feed: Feed, wanted: number): Promise<void> {
    const missing = feed.tags.length === 0 ? wanted : wanted - feed.prefetch;
    await feed.channel.prefetch(missing, false); // never `global`: quorum queues refuse it
    const { consumerTag } = await feed.channel.consume(feed.queue, (message) => {
      if (message === null) {
        // The queue was deleted, or moved. What came from it is given up with the channel, and the queue declared again.
        this.#drop(feed);
        this.#wake();
      } else void this.#arrive(feed, message);
    });
    feed.tags.push(consumerTag);
    feed.prefetch = wanted;
  }

  async #arrive(feed: Feed, message: AmqpMessage): Promise<void> {
    const delivery = new AmqpDelivery(feed.queue, message, (each, settlement) =>
      this.#settle(feed, each, settlement),
    );
    feed.held.add(delivery);
    feed.acks.came(message);
    feed.arrivals++;
    const counts = message.properties.headers?.['x-delivery-count'] === undefined;
    if (message.fields.redelivered && counts) {
      await this.#parts.clock.sleep(aftershockMs);
      const marks = { ...marksOf(delivery), [strikesHeader]: delivery.strikes + 1 };
      return this.#sendAgain(feed, delivery, marks, null);
    }
    const due = Math.max(dueOf(delivery), Number(message.properties.headers?.[untilHeader] ?? 0));
    const early = due - this.#parts.clock.now();
    if (early >= shortestDelayMs) return this.#sendAgain(feed, delivery, marksOf(delivery), due);
    if (isSuspect(delivery.strikes)) {
      if (this.#suspect !== null)
        return this.#sendAgain(feed, delivery, marksOf(delivery), this.#parts.clock.now() + suspectPauseMs);
      this.#suspect = delivery;
    }
    // What the broker's delays cannot say: a few milliseconds.
    while (this.#parts.clock.now() < due && feed.open)
      await this.#parts.clock.sleep(Math.max(1, due - this.#parts.clock.now()));
    if (!feed.open) return;
    feed.ready.push(delivery);
    this.#wake();
  }

  /** Puts it back with other marks, not before `due`: the copy first, confirmed, then the old one goes. */
  async #sendAgain(
    feed: Feed,
    delivery: AmqpDelivery,
    marks: Readonly<Record<string, unknown>>,
    due: number | null,
  ): Promise<void> {
    for (let failures = 0; feed.open; failures++) {
      try {
        await this.#resend(delivery, marks, due);
        this.#acknowledge(feed, delivery);
        return;
      } catch {
        await this.#parts.clock.sleep(backoffDelay(patience, failures));
      }
    }
  }

  async #resend(
    { queue, source }: AmqpDelivery,
    marks: Readonly<Record<string, unknown>>,
    due: number | null,
    timeoutMs?: number,
  ): Promise<void> {
    const delayMs = due === null ? 0 : due - this.#parts.clock.now();
    const waits = delayMs >= shortestDelayMs;
    // Where a fault comes between this and the end of the old one there are two: the copy says that it may be the second.
    const copy = { ...marks, [returnedHeader]: 1, ...(due !== null && { [untilHeader]: due }) };
    const options = againOptions(source, copy);
    const address = waits ? delayedAddress(queue, delayMs) : { exchange: '', routingKey: queue };
    const outgoing: Outgoing = { id: '', ...address, content: source.content, options };
    await this.#parts.publisher.send(
      (declarations) => (waits ? declarations.delayed(queue) : declarations.queue(queue)),
      [outgoing],
      { timeoutMs },
    );
  }

  async #settle(feed: Feed, delivery: AmqpDelivery, settlement: Settlement): Promise<boolean> {
    if (settlement.kind !== 'release' && settlement.write !== undefined)
      throw new TypeError('a write made for another store cannot travel with this settlement');
    const isHeld = (): boolean => feed.open && feed.held.has(delivery);
    if (!isHeld()) return false;
    if (settlement.kind === 'ack' && settlement.publish !== undefined && settlement.publish.length > 0)
      await this.#parts.publish(settlement.publish);
    else if (settlement.kind === 'release') {
      const parks = delivery.parks + (settlement.parked === true ? 1 : 0);
      const strikes = delivery.strikes + (settlement.struck === true ? 1 : 0);
      const marks = {
        ...marksOf(delivery),
        [parksHeader]: parks,
        ...(strikes > 0 && { [strikesHeader]: strikes }),
      };
      const due = settlement.until?.getTime() ?? 0;
      await this.#resend(delivery, marks, due > this.#parts.clock.now() ? due : null);
    } else if (settlement.kind === 'dead') {
      const { reason, detail } = settlement;
      const about = {
        id: newLetterId(),
        queue: delivery.queue,
        reason,
        detail,
        strikes: delivery.strikes,
        diedAt: this.#parts.clock.now(),
        exchange: delivery.source.fields.exchange,
        routingKey: delivery.source.fields.routingKey,
      };
      const options = againOptions(delivery.source, { [deadHeader]: JSON.stringify(about) });
      const letter: Outgoing = {
        id: '',
        exchange: '',
        routingKey: deadQueue,
        content: delivery.source.content,
        options,
      };
      await this.#parts.publisher.send((declarations) => declarations.dead(), [letter]);
    }
    if (!isHeld()) return false;
    this.#acknowledge(feed, delivery);
    return true;
  }

  #acknowledge(feed: Feed, delivery: AmqpDelivery): void {
    this.#letGo(feed, delivery);
    if (feed.open) feed.acks.add(delivery.source);
  }

  #letGo(feed: Feed, delivery: AmqpDelivery): void {
    feed.held.delete(delivery);
    feed.out.delete(delivery);
    if (this.#suspect === delivery) this.#suspect = null;
  }

  /** The channel is gone, and what came on it is others' now. */
  #end(feed: Feed): void {
    if (!feed.open) return;
    feed.open = false;
    // It may be the queue that is gone.
    this.#declarations?.forget(feed.queue);
    if (this.#feeds.get(feed.queue) === feed) this.#feeds.delete(feed.queue);
    for (const delivery of [...feed.held]) {
      delivery.lose();
      this.#letGo(feed, delivery);
    }
    feed.ready.length = 0;
  }

  /** Takes no more, and gives back what was pushed ahead. */
  async #rest(): Promise<void> {
    for (const feed of [...this.#feeds.values()]) {
      await this.#stopConsuming(feed);
      for (const delivery of feed.ready.splice(0)) {
        if (!feed.open) break;
        // It was not handed out, and whoever gets it next is told nothing: in front, as it was.
        await this.#resend(delivery, marksOf(delivery), null, leaveTimeoutMs).catch(() => undefined);
        this.#acknowledge(feed, delivery);
      }
    }
  }

  async #leave(): Promise<void> {
    await this.#rest();
    for (const feed of [...this.#feeds.values()]) {
      for (const delivery of [...feed.held]) {
        try {
          await this.#resend(delivery, marksOf(delivery), null, leaveTimeoutMs);
          this.#acknowledge(feed, delivery);
        } catch {
          // It comes back when the connection closes.
        }
        delivery.lose();
      }
      feed.acks.flush();
      await closeChannel(feed.channel);
    }
  }

  #wake(): void {
    for (const alarm of this.#alarms) alarm.ring();
  }
}

function marksOf({ source }: AmqpDelivery): Record<string, unknown> {
  const counted: unknown = source.properties.headers?.['x-delivery-count'];
  const strikes = countOf(source, strikesHeader) + (typeof counted === 'number' ? counted : 0);
  const marks: Record<string, unknown> = {};
  if (strikes > 0) marks[strikesHeader] = strikes;
  const parks = countOf(source, parksHeader);
  if (parks > 0) marks[parksHeader] = parks;
  return marks;
}

function dueOf({ message }: AmqpDelivery): number {
  const eta = message.ok ? message.value.headers.eta : null;
  return typeof eta === 'string' ? (parseTimestamp(eta)?.getTime() ?? 0) : 0;
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404;
}

let letters = 0;

/** Ascending, and of no two the same but by great chance. */
function newLetterId(): number {
  letters = (letters + 1) % 1000;
  return Date.now() * 1000 + letters;
}
