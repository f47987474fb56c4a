// A worker's consumer on RabbitMQ: the broker pushes as many messages as there is room for, and claims return them.

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
  /** Publishes messages that follow a task. */
  readonly publish: (publications: readonly Publication[]) => Promise<void>;
  readonly onClose: () => void;
}

/**
 * A worker that lost its connection, and lives, comes back within this part of a lease and says so; otherwise it is taken for dead. (A node that
 * shuts down ends one connection after the other, and pushes messages of a lost one to the next: that, too, is over by then.)
 */
const graceOfLease = 1 / 6;
const minGraceMs = 500;
const leaveTimeoutMs = 3000;
/** How often a waiting consumer checks whether the broker has forgotten it, milliseconds. */
const pollIntervalMs = 3000;
const shortPollIntervalMs = 50;
/** How often a busy consumer checks whether quarantined messages wait, and a consumer that waits for them whether they are still there, milliseconds. */
const quarantinePollMs = 10_000;
const quarantineWaitPollMs = 1000;
/** How often the bindings of our queues to the delays are checked, milliseconds. */
const repairMs = 10_000;
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
  #repairedMs = Number.NEGATIVE_INFINITY;
  /** There were messages that had waited at the broker for their time, or will. */
  #isDelayed = false;
  /** Copies under way, by the names of their messages. */
  readonly #sending = new Map<string, Promise<void>>();
  /** Messages from deleted queues, on their way back. */
  readonly #rescuing = new Set<Promise<void>>();
  /** Closed, and all that could be given back was. */
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
      publisher: parts.publisher,
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
      // The server closes a connection that was silent for two to three heartbeats.
      heartbeat: Math.max(1, Math.floor(parts.options.leaseMs / 2500)),
      onReady: async (connection) => {
        await this.#returns.open(connection);
        this.#declarations = new Declarations(connection, parts.declared, parts.settings.delayedQueueType);
        this.#quarantinePolledMs = Number.NEGATIVE_INFINITY;
        this.#repairedMs = Number.NEGATIVE_INFINITY;
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
      // An error without a code is not the server's: the connection was lost meanwhile.
      if (!(error instanceof Error) || 'code' in error) throw error;
      throw new BrokerUnavailable(`${this.#parts.settings.shown}: ${error.message}`, { cause: error });
    }
  }

  /** How many of the queue's messages this process holds. */
  held(queue: string): number {
    const adrift = [...this.#returns.adrift].filter((delivery) => delivery.queue === queue).length;
    return (this.#feeds.get(queue)?.held.size ?? 0) + this.#quarantineQueues.held(queue) + adrift;
  }

  /**
   * Drops the connection, as if the process had died. For tests. A copy that is under way is finished first, and an answer of the server says that
   * the acknowledgements have arrived: a crash between a copy and the acknowledgement of its message leaves both, which is a case of its own.
   */
  async die(): Promise<void> {
    await atMost(leaveTimeoutMs, Promise.allSettled(this.#sending.values()), this.#parts.clock);
    const answers = this.#all().map((feed) => {
      feed.flush();
      return feed.count();
    });
    await atMost(leaveTimeoutMs, Promise.allSettled(answers), this.#parts.clock);
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
          await nextTurn(); // messages of the same packet
          continue;
        }
        if (signal.aborted || this.#closing.signal.aborted) break;
        await sleeper.sleep(pollIntervalMs);
        if (this.#parts.clock.monotonic() - this.#polledMs > pollIntervalMs / 2) {
          this.#polledMs = this.#parts.clock.monotonic();
          await this.#glance();
          await this.#lookAround();
        }
        await nextTurn(); // messages of the same packet
      }
      return [];
    } finally {
      signal.removeEventListener('abort', sleeper.wake);
      this.#sleepers.delete(sleeper);
      // No claim waits any more: messages that were pushed ahead are for others.
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
    await atMost(leaveTimeoutMs, this.#returns.close(), this.#parts.clock);
    await this.#link.close();
    this.#parts.onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A worker may stop claiming between two claims: then, too, nothing more is to be pushed, least of all the messages it gives back now. */
  #heed(signal: AbortSignal): void {
    if (signal === this.#heeded) return;
    this.#heeded = signal;
    const rest = (): void => {
      if (signal === this.#heeded && this.#sleepers.size === 0) void this.#rest();
    };
    signal.addEventListener('abort', rest, { once: true });
  }

  /** Takes messages of each queue in turn. */
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

  /** Takes the next quarantined message if nothing else is held, or after waiting long enough. Null: look again; it has waited for a change. */
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
      return null; // the connection was lost meanwhile: others have the message
    }
  }

  async #lookAround(): Promise<void> {
    if (this.#parts.clock.monotonic() - this.#repairedMs > repairMs) void this.#repair();
    await this.#pollQuarantine();
  }

  /** Nothing reports that the bindings of our queues to the delays are gone; messages that were due meanwhile lie in a queue of ours. */
  async #repair(): Promise<void> {
    const { connection } = this.#link;
    const declarations = this.#declarations;
    if (connection === null || declarations === null) return;
    const isNew = this.#repairedMs === Number.NEGATIVE_INFINITY; // the queues were, or will be, declared on this connection
    this.#repairedMs = this.#parts.clock.monotonic();
    try {
      if (!isNew) await declarations.repair(this.#queues, { delayed: this.#isDelayed });
      await sendUnroutable(connection, this.#parts.publisher, new Set(this.#queues));
    } catch {
      // A queue is missing, the connection is lost, or a right is missing: the next check is soon enough.
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
      // The connection was lost meanwhile: the next check is soon enough.
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

  /** Lets the broker push as many messages as are asked for, besides those that are held. */
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
        // The connection was lost meanwhile: the next one wakes waiting claims.
        if (this.#link.connection !== connection) return;
        if (feed !== undefined) this.#drop(feed);
        if (error instanceof ConfigError) throw error;
        // The queue was deleted after it was declared. Or, without a code, the channel was lost while we asked. Try again in
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

  /** Checks whether messages wait that are not pushed to us though there is room: then the consumer begins anew. */
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
   * RabbitMQ 3.10 does not tell a consumer that its quorum queue was deleted. If the queue is declared again, it takes the consumer for a consumer of the
   * new queue, and assigns it as many messages, which never arrive, as it had of the old one. They come back when the channel closes.
   */
  async #refresh(feed: Feed): Promise<void> {
    await feed.stopConsuming();
    // If messages came meanwhile, their acknowledgements need this channel; otherwise nothing is lost with it.
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
      onMessage: (message) => this.#arrive(feed, message),
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

  #arrive(feed: Feed, message: AmqpMessage): void {
    const delivery = new AmqpDelivery(feed.queue, message, feed, this.#settle);
    this.#isDelayed ||= isOfDelays(message.fields.exchange);
    feed.came(delivery);
    if (message.fields.redelivered) this.#returns.cameBack(delivery, feed);
    // Most messages can be run at once: for them nothing is awaited.
    else if (this.#sending.size > 0 || isQuarantined(delivery.crashes) || dueOf(delivery) > 0)
      void this.#receive(feed, delivery);
    else this.#offer(feed, delivery);
  }

  #offer(feed: Feed, delivery: AmqpDelivery): void {
    feed.ready.push(delivery);
    this.#wake();
  }

  async #receive(feed: Feed, delivery: AmqpDelivery): Promise<void> {
    // A copy may come before the old message is acknowledged: a crash between them would leave both.
    await this.#sending.get(nameOf(delivery));
    const due = dueOf(delivery);
    const early = due - this.#parts.clock.now();
    if (early >= shortestDelayMs) return this.#sendAgain(feed, delivery, this.#earlyMarks(delivery), due);
    if (isQuarantined(delivery.crashes)) {
      // Nothing more is begun from now on.
      this.#quarantinedWaits = true;
      return this.#sendAgain(feed, delivery, redeliveryHeadersOf(delivery), null);
    }
    // The last milliseconds, for which the broker's delays are too coarse.
    while (this.#parts.clock.now() < due && feed.open)
      await this.#parts.clock.sleep(Math.max(1, due - this.#parts.clock.now()));
    if (!feed.open) return this.#rescue(feed, [delivery]);
    this.#offer(feed, delivery);
  }

  #earlyMarks(delivery: AmqpDelivery): RedeliveryHeaders {
    const { message, queue, isAnnounced } = delivery;
    const announced = !isAnnounced && message.ok && this.#parts.options.onEarly?.(message.value, queue);
    return { ...redeliveryHeadersOf(delivery), ...(announced && { [announcedHeader]: 1 }) };
  }

  /** Writes the crash on a copy of the message, since the broker does not count crashes. */
  async #countDeath(feed: Feed, delivery: AmqpDelivery): Promise<void> {
    const marks = { ...redeliveryHeadersOf(delivery), [crashesHeader]: delivery.crashes + 1 };
    await this.#sendAgain(feed, delivery, marks, null);
  }

  /** Puts it back with other headers, not before `due`: first the copy, confirmed, and then the old message is acknowledged. */
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
      // No other worker gets a message of a deleted queue, unless the queue was only moved.
      if (this.#hasLeft || (!open && !(feed.isGone && this.#returns.takeBack(delivery)))) return;
      try {
        await this.#resend(delivery, marks, due);
        this.#acknowledge(delivery);
        await nextTurn(); // so that it is sent
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
    if (delivery.isAdrift) {
      await delivery.steady();
      if (delivery.isLost) return false;
    }
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

  /** Acknowledges a message on its current channel; if that is gone, informs the worker that has the message now. */
  #acknowledge(delivery: AmqpDelivery): void {
    const { feed } = delivery;
    const wasOut = feed.out.has(delivery);
    if (feed.open) feed.acknowledge(delivery);
    else this.#returns.over(delivery);
    if (wasOut && this.#quarantine.letGo(delivery.crashes)) this.#wake();
  }

  /** Another worker runs it. */
  #lose(delivery: AmqpDelivery): void {
    delivery.lose();
    if (this.#quarantine.letGo(delivery.crashes)) this.#wake();
  }

  /** The channel is gone. Its messages in hand go on. */
  #end(feed: Feed): void {
    if (!feed.open) return;
    const ready = feed.ready.splice(0);
    this.#returns.ended(feed);
    feed.end();
    // The queue itself may be gone.
    this.#declarations?.forget(feed.queue);
    if (this.#feeds.get(feed.queue) === feed) this.#feeds.delete(feed.queue);
    void this.#rescue(feed, ready);
  }

  /**
   * When a queue is deleted, messages that were pushed to us and have not begun come to no other worker. So they are published into the queue,
   * which is declared again. If the queue was only moved, the worker that gets the old message learns that it is settled, or has taken it before.
   */
  async #rescue(feed: Feed, deliveries: readonly AmqpDelivery[]): Promise<void> {
    if (!feed.isGone || deliveries.length === 0) return;
    const rescuing = this.#rescueAll(deliveries);
    this.#rescuing.add(rescuing);
    await rescuing;
    this.#rescuing.delete(rescuing);
  }

  async #rescueAll(deliveries: readonly AmqpDelivery[]): Promise<void> {
    // Not `retrying`: not the failure is repeated, but the sending of the remaining messages.
    for (let failures = 0; ; failures++) {
      const ours = deliveries.filter((delivery) => this.#returns.takeBack(delivery));
      deliveries = await this.#giveBack(ours);
      if (deliveries.length === 0 || this.#hasLeft) return;
      for (const delivery of deliveries) this.#returns.offer(delivery);
      await this.#parts.clock.sleep(backoffDelay(retryPolicy, failures));
    }
  }

  /** Stops the broker from pushing, and gives back messages that were pushed ahead. */
  async #rest(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    await Promise.all(feeds.map((feed) => feed.stopConsuming()));
    for (const feed of feeds) {
      while (feed.ready.length > 0) {
        const left = await this.#giveBack(feed.ready.splice(0));
        if (left.length === 0) continue;
        // They stay here, and come back when the connection closes.
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
      // Messages kept for others, and those that cannot be sent, go to other workers when the connection closes.
      const held = [...feed.held].filter((delivery) => !feed.kept.has(delivery));
      await this.#giveBack(held);
      for (const delivery of held) delivery.lose();
      await feed.close();
    }
  }

  /** Acknowledges messages at the front of the queue that were settled here. After our end no worker would know that they are settled. */
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
      // The queue and its messages are gone, or the connection is.
    }
  }

  /** Sends them back unchanged, together, since each waits for a confirmation. Returns those that could not be sent. */
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

/** The name that a message and its copies share. */
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
