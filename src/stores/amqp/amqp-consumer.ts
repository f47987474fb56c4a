// A worker's side of the RabbitMQ transport: the broker pushes, as much as there is room for, and claims hand out.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { BrokerUnavailable, ConfigError } from '../../errors.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { atMost } from '../../lib/deadline.ts';
import { retrying } from '../../lib/retry.ts';
import { Sleeper } from '../../lib/sleeper.ts';
import { isQuarantined, Quarantine } from '../quarantine.ts';
import type { ConsumeOptions, Consumer, Delivery, Publication, Settlement } from '../transport.ts';
import { AmqpDelivery } from './amqp-delivery.ts';
import { type AmqpConnection, AmqpLink, type AmqpMessage } from './client/link.ts';
import type { AmqpSettings } from './client/settings.ts';
import {
  Declarations,
  type Declared,
  isNotFound,
  isOfDelays,
  quarantineQueueOf,
  shortestDelayMs,
} from './declare.ts';
import { Feed, type FeedListener } from './feed.ts';
import type { Publisher } from './publisher.ts';
import { QuarantineQueues } from './quarantine-queues.ts';
import {
  deadLetterOf,
  dueOf,
  type RedeliveryHeaders,
  type RepublishTarget,
  redeliveryHeadersOf,
  republicationOf,
} from './republish.ts';
import { Returns } from './returns.ts';
import { sendUnroutable } from './unroutable.ts';
import { announcedHeader, crashesHeader, deferralsHeader } from './wire.ts';

interface AmqpConsumerParts {
  readonly settings: AmqpSettings;
  readonly declared: Declared;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly options: ConsumeOptions;
  /** Sends what follows a task. */
  readonly publish: (publications: readonly Publication[]) => Promise<void>;
  readonly onClose: () => void;
}

/**
 * Who lost its connection, and lives, comes back within this part of a lease and says so; else it is held to have died. (A node that goes down
 * ends one connection after the other, and what one loses it still pushes to the next: that, too, is over by then.)
 */
const graceOfLease = 1 / 6;
const minGraceMs = 500;
const leaveTimeoutMs = 3000;
/** How often one who waits looks whether it was forgotten. */
const pollIntervalMs = 3000;
const shortPollIntervalMs = 50;
/** How often one who is busy looks whether quarantined messages wait, and one who waits for their sake whether they are still there. */
const quarantinePollMs = 10_000;
const quarantineWaitPollMs = 1000;
/** How often it is made sure that our queues are bound to the delays. */
const mendingMs = 10_000;
const retryPolicy = { factor: 50, maximum: 2000, jitter: true } as const;

export class AmqpConsumer implements Consumer {
  readonly #parts: AmqpConsumerParts;
  readonly #link: AmqpLink;
  readonly #closing = new AbortController();
  readonly #sleepers = new Set<Sleeper>();
  readonly #feeds = new Map<string, Feed>();
  readonly #queues: string[];
  #declarations: Declarations | null = null;
  readonly #quarantine: Quarantine;
  readonly #quarantineQueues: QuarantineQueues;
  readonly #returns: Returns;
  #quarantinedWaits = false;
  #quarantinePolledMs = Number.NEGATIVE_INFINITY;
  #mendedMs = Number.NEGATIVE_INFINITY;
  /** Messages were seen that had waited for their time at the broker, or are to. */
  #isDelayed = false;
  /** Copies under way, by the names of what they are of. */
  readonly #sending = new Map<string, Promise<void>>();
  /** What came from queues that are gone, on its way back. */
  readonly #rescuing = new Set<Promise<void>>();
  /** Closed, and what could be given back was. */
  #hasLeft = false;
  #flowing: Promise<void> | null = null;
  #heeded: AbortSignal | null = null;
  #polledMs: number;
  #idle: (() => void) | null = null;

  constructor(parts: AmqpConsumerParts) {
    this.#parts = parts;
    this.#polledMs = parts.clock.monotonic();
    this.#queues = [...new Set(parts.options.queues)];
    this.#quarantine = new Quarantine(parts.clock, parts.options.quarantineMs);
    this.#quarantineQueues = new QuarantineQueues([...this.#queues], (queue) => this.#openQuarantine(queue));
    this.#returns = new Returns({
      clock: parts.clock,
      graceMs: Math.max(minGraceMs, parts.options.leaseMs * graceOfLease),
      inHand: () => this.#all().flatMap(({ out }) => [...out]),
      attach: (came, feed, inHand) => {
        feed.attach(came, inHand);
        this.#wake();
      },
      acknowledge: (delivery, feed) => feed.acknowledge(delivery),
      admit: (delivery, feed) => {
        if (!feed.open) this.#returns.offer(delivery);
        void this.#receive(feed, delivery);
      },
      charge: (delivery, feed) => {
        if (!feed.open) this.#returns.offer(delivery);
        void this.#countDeath(feed, delivery);
      },
      lose: (delivery) => this.#lose(delivery),
      onKept: () => this.#wake(),
    });
    this.#link = new AmqpLink(parts.settings, {
      steady: true,
      // The server gives a connection up that was silent for two to three of these.
      heartbeat: Math.max(1, Math.floor(parts.options.leaseMs / 2500)),
      onReady: async (connection) => {
        await this.#returns.open(connection);
        this.#declarations = new Declarations(connection, parts.declared, parts.settings.delayedQueueType);
        this.#quarantinePolledMs = Number.NEGATIVE_INFINITY;
        this.#mendedMs = Number.NEGATIVE_INFINITY;
        this.#wake();
      },
      onLost: () => {
        this.#returns.lost();
        for (const feed of this.#all()) this.#end(feed);
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
    const adrift = [...this.#returns.adrift].filter((delivery) => delivery.queue === queue).length;
    return (this.#feeds.get(queue)?.held.size ?? 0) + this.#quarantineQueues.held(queue) + adrift;
  }

  /**
   * Lets the connection go without a word, as if the process had died. For tests. A copy that is under way is finished first: a death between a
   * copy and the acknowledgement of what it is of leaves both, which is a case of its own.
   */
  async die(): Promise<void> {
    await atMost(leaveTimeoutMs, Promise.allSettled(this.#sending.values()), this.#parts.clock);
    this.#returns.forget();
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
    this.#heed(signal);
    const sleeper = new Sleeper(this.#parts.clock);
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', sleeper.wake, { once: true });
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        const room = capacity();
        if (room <= 0) return [];
        if (this.#parts.clock.monotonic() - this.#quarantinePolledMs > quarantinePollMs)
          void this.#lookAround();
        const { aloneMs } = this.#quarantine;
        if (aloneMs > 0) {
          await this.#rest();
          await sleeper.sleep(aloneMs);
          continue;
        }
        if (this.#quarantinedWaits && !this.#quarantine.holdsQuarantined) {
          const quarantined = await this.#claimQuarantined(sleeper);
          if (quarantined !== null) return [quarantined];
          continue;
        }
        const deliveries = this.#take(room);
        if (deliveries.length > 0) return deliveries;
        await this.#flow(capacity);
        if (capacity() <= 0) return [];
        if ([...this.#feeds.values()].some(({ ready }) => ready.length > 0)) {
          await nextTurn(); // what comes with it
          continue;
        }
        if (signal.aborted || this.#closing.signal.aborted) break;
        await sleeper.sleep(pollIntervalMs);
        if (this.#parts.clock.monotonic() - this.#polledMs > pollIntervalMs / 2) {
          this.#polledMs = this.#parts.clock.monotonic();
          await this.#glance();
          await this.#lookAround();
        }
        await nextTurn(); // what comes with it
      }
      return [];
    } finally {
      signal.removeEventListener('abort', sleeper.wake);
      this.#sleepers.delete(sleeper);
      // Nobody asks any more: what was pushed ahead is for others.
      if (this.#sleepers.size === 0 && (signal.aborted || this.#closing.signal.aborted)) await this.#rest();
      if (this.#sleepers.size === 0) this.#idle?.();
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#wake();
    if (this.#sleepers.size > 0) await new Promise<void>((done) => (this.#idle = done));
    await atMost(leaveTimeoutMs, this.#leave(), this.#parts.clock);
    this.#hasLeft = true;
    for (const feed of this.#all()) this.#end(feed);
    this.#returns.close();
    await this.#link.close();
    this.#parts.onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Who claims no more may say so between two claims: then, too, nothing more is to be pushed, least of all what is given back now. */
  #heed(signal: AbortSignal): void {
    if (signal === this.#heeded) return;
    this.#heeded = signal;
    const rest = (): void => {
      if (signal === this.#heeded && this.#sleepers.size === 0) void this.#rest();
    };
    signal.addEventListener('abort', rest, { once: true });
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
        this.#quarantine.took(delivery.crashes);
        taken.push(delivery);
        empty = 0;
      }
    }
    return taken;
  }

  #all(): Feed[] {
    return [...this.#feeds.values(), ...this.#quarantineQueues.feeds];
  }

  /** Takes the next quarantined message if nothing else is held, or for long enough. Null: look again; it has waited for what may change. */
  async #claimQuarantined(sleeper: Sleeper): Promise<AmqpDelivery | null> {
    await this.#rest();
    const isBusy = this.#all().some(({ held, out, kept }) => held.size > out.size + kept.size);
    const { quarantined, againMs } = this.#quarantine.look(true);
    if (quarantined && !isBusy) {
      const delivery = await this.#fetchQuarantined();
      if (delivery !== null) return delivery;
      this.#quarantinedWaits = false;
      this.#quarantine.look(false);
      return null;
    }
    await sleeper.sleep(
      Math.min(isBusy ? shortPollIntervalMs : (againMs ?? shortPollIntervalMs), quarantineWaitPollMs),
    );
    if (this.#parts.clock.monotonic() - this.#quarantinePolledMs > quarantineWaitPollMs)
      await this.#pollQuarantine();
    return null;
  }

  async #fetchQuarantined(): Promise<AmqpDelivery | null> {
    try {
      for (;;) {
        const fetched = await this.#quarantineQueues.fetch();
        if (fetched === null) return null;
        const { feed, queue, message } = fetched;
        const delivery = new AmqpDelivery(queue, message, feed, this.#settle);
        feed.came(delivery);
        if (message.fields.redelivered) this.#returns.cameBack(delivery, feed);
        else {
          feed.out.add(delivery);
          this.#quarantine.took(delivery.crashes);
          return delivery;
        }
      }
    } catch {
      return null; // the connection went meanwhile: what was fetched is others'
    }
  }

  async #lookAround(): Promise<void> {
    if (this.#parts.clock.monotonic() - this.#mendedMs > mendingMs) void this.#mend();
    await this.#pollQuarantine();
  }

  /** Nobody says when somebody has undone how our queues are bound to the delays, and what came meanwhile lies aside. */
  async #mend(): Promise<void> {
    const { connection } = this.#link;
    const declarations = this.#declarations;
    if (connection === null || declarations === null) return;
    const isNew = this.#mendedMs === Number.NEGATIVE_INFINITY; // the queues were, or will be, declared on this connection
    this.#mendedMs = this.#parts.clock.monotonic();
    try {
      if (!isNew) await declarations.mend(this.#queues, { delayed: this.#isDelayed });
      await sendUnroutable(connection, this.#parts.publisher, new Set(this.#queues));
    } catch {
      // A queue is not there, the connection has gone, or we may not: the next time is soon enough.
    }
  }

  async #pollQuarantine(): Promise<void> {
    this.#quarantinePolledMs = this.#parts.clock.monotonic();
    try {
      const wait = await this.#quarantineQueues.look();
      if (wait === this.#quarantinedWaits) return;
      this.#quarantinedWaits = wait;
      if (wait) this.#wake();
      else if (!this.#quarantine.holdsQuarantined) this.#quarantine.look(false);
    } catch {
      // The connection went meanwhile: the next look is soon enough.
    }
  }

  async #openQuarantine(queue: string): Promise<Feed | null> {
    const { connection } = this.#link;
    const declarations = this.#declarations;
    if (connection === null || declarations === null) return null;
    await declarations.quarantined(queue);
    const feed: Feed = await Feed.open(connection, quarantineQueueOf(queue), {
      onMessage: () => undefined,
      onCancelled: () => undefined,
      onClosed: () => {
        declarations.forget(queue);
        this.#end(feed);
        this.#wake();
      },
    });
    return feed;
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
        const more = capacity();
        if (more <= 0) return; // it was filled meanwhile
        await feed.allow(more);
      } catch (error) {
        // The connection went meanwhile: the next one wakes who waits.
        if (this.#link.connection !== connection) return;
        if (feed !== undefined) this.#drop(feed);
        if (error instanceof ConfigError) throw error;
        // Deleted since it was declared; or, without a code, it is not the server's word, and the channel went while we asked: once more, in
        // a moment.
        if (isNotFound(error) || (error instanceof Error && !('code' in error))) {
          await this.#parts.clock.sleep(shortPollIntervalMs);
          this.#wake();
          continue;
        }
        throw new BrokerUnavailable(`cannot consume from '${queue}': ${String(error)}`, { cause: error });
      }
    }
  }

  /** Whether messages wait that are not pushed to us though there is room: then all begins anew. */
  async #glance(): Promise<void> {
    for (const feed of [...this.#feeds.values()]) {
      if (feed.isFull) continue;
      if (feed.hasRested() && this.#parts.declared.get(feed.queue)?.type === 'quorum') {
        await this.#refresh(feed);
        continue;
      }
      try {
        if (await feed.isForgotten()) this.#drop(feed);
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
    await feed.stopConsuming();
    // What came meanwhile has a place to be acknowledged in; else nothing is lost with the channel.
    if (feed.held.size === 0) this.#drop(feed);
  }

  #drop(feed: Feed): void {
    if (!feed.open) return;
    feed.flush();
    this.#end(feed);
    feed.abandon();
  }

  async #newFeed(connection: AmqpConnection, queue: string): Promise<Feed> {
    const feed = await Feed.open(connection, queue, {
      onMessage: (message) => void this.#arrive(feed, message),
      onCancelled: () => {
        this.#drop(feed);
        this.#wake();
      },
      onClosed: () => {
        this.#end(feed);
        this.#wake();
      },
    });
    this.#feeds.set(queue, feed);
    return feed;
  }

  async #arrive(feed: Feed, message: AmqpMessage): Promise<void> {
    const delivery = new AmqpDelivery(feed.queue, message, feed, this.#settle);
    this.#isDelayed ||= isOfDelays(message.fields.exchange);
    feed.came(delivery);
    if (message.fields.redelivered) this.#returns.cameBack(delivery, feed);
    else await this.#receive(feed, delivery);
  }

  async #receive(feed: Feed, delivery: AmqpDelivery): Promise<void> {
    // A copy may come before the old one is acknowledged: whoever died of it now would leave both.
    await this.#sending.get(nameOf(delivery));
    const due = dueOf(delivery);
    const early = due - this.#parts.clock.now();
    if (early >= shortestDelayMs) return this.#sendAgain(feed, delivery, this.#earlyMarks(delivery), due);
    if (isQuarantined(delivery.crashes)) {
      // Nothing more is begun from now on.
      this.#quarantinedWaits = true;
      return this.#sendAgain(feed, delivery, redeliveryHeadersOf(delivery), null);
    }
    // What the broker's delays cannot say: a few milliseconds.
    while (this.#parts.clock.now() < due && feed.open)
      await this.#parts.clock.sleep(Math.max(1, due - this.#parts.clock.now()));
    if (!feed.open) return this.#rescue(feed, [delivery]);
    feed.ready.push(delivery);
    this.#wake();
  }

  #earlyMarks(delivery: AmqpDelivery): RedeliveryHeaders {
    const { message, queue, isAnnounced } = delivery;
    const announced = !isAnnounced && message.ok && this.#parts.options.onEarly?.(message.value, queue);
    return { ...redeliveryHeadersOf(delivery), ...(announced && { [announcedHeader]: 1 }) };
  }

  /** Written on a copy of it, for the broker says of the next death no more than of this one. */
  async #countDeath(feed: Feed, delivery: AmqpDelivery): Promise<void> {
    const marks = { ...redeliveryHeadersOf(delivery), [crashesHeader]: delivery.crashes + 1 };
    await this.#sendAgain(feed, delivery, marks, null);
  }

  /** Puts it back with other marks, not before `due`: the copy first, confirmed, then the old one goes. */
  async #sendAgain(
    feed: Feed,
    delivery: AmqpDelivery,
    marks: RedeliveryHeaders,
    due: number | null,
  ): Promise<void> {
    const name = nameOf(delivery);
    const sending = this.#sendUntilDone(feed, delivery, marks, due);
    this.#sending.set(name, sending);
    await sending;
    if (this.#sending.get(name) === sending) this.#sending.delete(name);
  }

  async #sendUntilDone(
    feed: Feed,
    delivery: AmqpDelivery,
    marks: RedeliveryHeaders,
    due: number | null,
  ): Promise<void> {
    const send = async (): Promise<void> => {
      const { open } = feed;
      // From a queue that is gone it comes to nobody else, unless the queue was moved only.
      if (this.#hasLeft || (!open && !(feed.isGone && this.#returns.takeBack(delivery)))) return;
      try {
        await this.#resend(delivery, marks, due);
        this.#acknowledge(delivery);
        await nextTurn(); // it goes out
      } catch (error) {
        if (!open) this.#returns.offer(delivery);
        throw error;
      }
    };
    await retrying(send, { policy: retryPolicy, clock: this.#parts.clock });
  }

  async #resend(
    delivery: AmqpDelivery,
    marks: RedeliveryHeaders,
    due: number | null,
    timeoutMs?: number,
  ): Promise<void> {
    const { outgoing, goal } = republicationOf(delivery, marks, due, this.#parts.clock.now());
    this.#isDelayed ||= goal === 'delayed';
    await this.#parts.publisher.send(
      (declarations) => declare(declarations, goal, delivery.queue),
      [outgoing],
      {
        timeoutMs,
      },
    );
    if (goal !== 'quarantined') return;
    this.#quarantinedWaits = true;
    this.#wake();
  }

  readonly #settle = async (delivery: AmqpDelivery, settlement: Settlement): Promise<boolean> => {
    if (settlement.kind !== 'release' && settlement.write !== undefined)
      throw new TypeError('a write made for another store cannot travel with this settlement');
    await delivery.steady();
    if (delivery.isLost) return false;
    if (settlement.kind === 'ack' && settlement.publish !== undefined && settlement.publish.length > 0)
      await this.#parts.publish(settlement.publish);
    else if (settlement.kind === 'release') {
      const deferrals = delivery.deferrals + (settlement.deferred === true ? 1 : 0);
      const crashes = delivery.crashes + (settlement.crashed === true ? 1 : 0);
      const marks = {
        ...redeliveryHeadersOf(delivery),
        [deferralsHeader]: deferrals,
        ...(crashes > 0 && { [crashesHeader]: crashes }),
      };
      const due = settlement.until?.getTime() ?? 0;
      await this.#resend(delivery, marks, due > this.#parts.clock.now() ? due : null);
    } else if (settlement.kind === 'dead') {
      const letter = deadLetterOf(delivery, settlement, this.#parts.clock.now());
      await this.#parts.publisher.send((declarations) => declarations.dead(), [letter]);
    }
    if (delivery.isLost) return false;
    this.#acknowledge(delivery);
    return true;
  };

  /** Where it is by now; of what came on a channel that is gone, whoever has it is told. */
  #acknowledge(delivery: AmqpDelivery): void {
    const { feed } = delivery;
    const wasOut = feed.out.has(delivery);
    if (feed.open) feed.acknowledge(delivery);
    else this.#returns.over(delivery);
    if (wasOut && this.#quarantine.letGo(delivery.crashes)) this.#wake();
  }

  /** Others run it. */
  #lose(delivery: AmqpDelivery): void {
    delivery.lose();
    if (this.#quarantine.letGo(delivery.crashes)) this.#wake();
  }

  /** The channel is gone. What is in hand goes on. */
  #end(feed: Feed): void {
    if (!feed.open) return;
    const ready = feed.ready.splice(0);
    this.#returns.ended(feed);
    feed.end();
    // It may be the queue that is gone.
    this.#declarations?.forget(feed.queue);
    if (this.#feeds.get(feed.queue) === feed) this.#feeds.delete(feed.queue);
    void this.#rescue(feed, ready);
  }

  /**
   * What was pushed to us and not begun comes to nobody any more when its queue is deleted: it goes into the one that is declared anew. Should
   * the queue have been moved only, whoever gets the old one is told that it is over, or has taken it before.
   */
  async #rescue(feed: Feed, deliveries: readonly AmqpDelivery[]): Promise<void> {
    if (!feed.isGone || deliveries.length === 0) return;
    const rescuing = this.#rescueAll(deliveries);
    this.#rescuing.add(rescuing);
    await rescuing;
    this.#rescuing.delete(rescuing);
  }

  async #rescueAll(deliveries: readonly AmqpDelivery[]): Promise<void> {
    // Not `retrying`: it is not a failure that is repeated, but what is left of the messages.
    for (let failures = 0; ; failures++) {
      const ours = deliveries.filter((delivery) => this.#returns.takeBack(delivery));
      deliveries = await this.#giveBack(ours);
      if (deliveries.length === 0 || this.#hasLeft) return;
      for (const delivery of deliveries) this.#returns.offer(delivery);
      await this.#parts.clock.sleep(backoffDelay(retryPolicy, failures));
    }
  }

  /** Takes no more, and gives back what was pushed ahead. */
  async #rest(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    await Promise.all(feeds.map((feed) => feed.stopConsuming()));
    for (const feed of feeds) {
      while (feed.ready.length > 0) {
        const left = await this.#giveBack(feed.ready.splice(0));
        if (left.length === 0) continue;
        // They are with us still, and come back when the connection closes.
        if (feed.open) feed.ready.unshift(...left);
        else await this.#rescue(feed, left);
        break;
      }
    }
  }

  async #leave(): Promise<void> {
    await this.#rest();
    await Promise.all(this.#rescuing);
    for (const queue of this.#queues) if (this.#returns.owes(queue)) await this.#payFor(queue);
    for (const feed of this.#all()) {
      // What is another's comes to somebody when the connection closes, and so does what cannot be sent.
      const held = [...feed.held].filter((delivery) => !feed.kept.has(delivery));
      await this.#giveBack(held);
      for (const delivery of held) delivery.lose();
      await feed.close();
    }
  }

  /** Acknowledges what lies in the queue though it was settled here: what came back is at its front. Who comes next could not ask us any more. */
  async #payFor(queue: string): Promise<void> {
    const { connection } = this.#link;
    if (connection === null) return;
    try {
      const feed = await Feed.open(connection, queue, silent);
      while (this.#returns.owes(queue)) {
        const message = await feed.fetch();
        if (message === null) break;
        const delivery = new AmqpDelivery(queue, message, feed, this.#settle);
        feed.came(delivery);
        if (this.#returns.isOver(delivery)) feed.acknowledge(delivery);
        else {
          await this.#giveBack([delivery]);
          if (!message.fields.redelivered) break;
        }
      }
      await feed.close();
    } catch {
      // The queue is gone, and what lay in it, or the connection.
    }
  }

  /** As they were, and whoever gets them next is told nothing. All at once: each waits for the broker's word. Returns those that could not be sent. */
  async #giveBack(deliveries: readonly AmqpDelivery[]): Promise<AmqpDelivery[]> {
    const sent = deliveries.map((each) => {
      const due = dueOf(each);
      return this.#resend(
        each,
        redeliveryHeadersOf(each),
        due > this.#parts.clock.now() ? due : null,
        leaveTimeoutMs,
      );
    });
    const outcomes = await Promise.allSettled(sent);
    return deliveries.filter((each, index) => {
      const isSent = outcomes[index]?.status === 'fulfilled';
      if (isSent) this.#acknowledge(each);
      return !isSent;
    });
  }

  #wake(): void {
    for (const sleeper of this.#sleepers) sleeper.wake();
  }
}

/** A message and its copies have the same. */
function nameOf({ source }: AmqpDelivery): string {
  const { messageId, correlationId } = source.properties;
  return `${messageId} ${correlationId}`;
}

const silent: FeedListener = {
  onMessage: () => undefined,
  onCancelled: () => undefined,
  onClosed: () => undefined,
};

function declare(declarations: Declarations, goal: RepublishTarget, queue: string): Promise<void> {
  if (goal === 'quarantined') return declarations.quarantined(queue);
  return goal === 'delayed' ? declarations.delayed(queue) : declarations.queue(queue);
}
