import { Acks } from './acks.ts';
import type { AmqpDelivery } from './amqp-delivery.ts';
import {
  type AmqpChannel,
  type AmqpConnection,
  type AmqpGetMessage,
  type AmqpMessage,
  closeChannel,
} from './client/link.ts';

export interface FeedListener {
  onMessage(message: AmqpMessage): void;
  /** The queue was deleted, or moved. */
  onCancelled(): void;
  /** The channel is gone. Its messages go to other workers, unless the queue is gone, too. */
  onClosed(): void;
}

/** How many messages kept for other workers take no slot. */
const maxKept = 200;
/** After this number of checks without a message, it asks whether the broker still knows its consumers. */
const idleGlances = 5;

/** The messages of one queue, on a channel of its own, so that its errors harm no other queue. */
export class Feed {
  readonly queue: string;
  readonly ready: AmqpDelivery[] = [];
  readonly held: Set<AmqpDelivery> = new Set();
  /** Those of `held` that a claim has returned. */
  readonly out: Set<AmqpDelivery> = new Set();
  /** Those of `held` that came back from another worker, and may still be that worker's. */
  readonly kept: Set<AmqpDelivery> = new Set();
  /** Keys of the last acknowledged messages: the broker may have missed them when the channel is lost. */
  readonly #acknowledged: string[] = [];
  readonly #channel: AmqpChannel;
  readonly #acks: Acks;
  readonly #listener: FeedListener;
  readonly #tags: string[] = [];
  /** How many unacknowledged messages the broker may have pushed. */
  #prefetch = 0;
  /** The largest value of `#prefetch` so far. */
  #max = 0;
  #open = true;
  #isGone = false;
  #arrivals = 0;
  /** How many messages had come when some were last seen to wait in the queue; -1: none waited. */
  #waitedAt = -1;
  /** How many messages had come at the last check, and how many checks in succession found no new one. */
  #glanced = -1;
  #idle = 0;

  private constructor(queue: string, channel: AmqpChannel, listener: FeedListener) {
    this.queue = queue;
    this.#channel = channel;
    this.#acks = new Acks(channel);
    this.#listener = listener;
    channel.on('error', (error: unknown) => {
      this.#isGone ||= isDeleted(error);
    });
    channel.on('close', () => this.#listener.onClosed());
  }

  static async open(connection: AmqpConnection, queue: string, listener: FeedListener): Promise<Feed> {
    return new Feed(queue, await connection.createChannel(), listener);
  }

  get open(): boolean {
    return this.#open;
  }

  /** The queue was deleted, as far as is known: no other worker will get its messages. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Lets the broker push this number of messages, besides those that were returned. */
  async allow(more: number): Promise<void> {
    const kept = Math.min(this.kept.size, maxKept);
    const wanted = Math.min(this.out.size + kept + Math.max(1, more), 65_535);
    if (this.#tags.length > 0 && this.#prefetch >= wanted) return;
    // Adds a consumer for the difference: the limits of consumers add up, and a limit cannot be changed.
    const missing = this.#tags.length === 0 ? wanted : wanted - this.#prefetch;
    await this.#channel.prefetch(missing, false); // never `global`: quorum queues refuse it
    const { consumerTag } = await this.#channel.consume(this.queue, (message) => {
      if (message === null) {
        this.#isGone = true;
        this.#listener.onCancelled();
      } else this.#listener.onMessage(message);
    });
    this.#tags.push(consumerTag);
    this.#prefetch = wanted;
    this.#max = Math.max(this.#max, wanted);
  }

  async stopConsuming(): Promise<void> {
    this.#prefetch = 0;
    // All together: acknowledgements in between must not make room for more.
    await Promise.allSettled(this.#tags.splice(0).map((tag) => this.#channel.cancel(tag)));
  }

  /** Gets one message. @throws when the queue or the channel is gone */
  async fetch(): Promise<AmqpMessage | null> {
    const message: AmqpGetMessage | false = await this.#channel.get(this.queue);
    return message === false ? null : { ...message, fields: { ...message.fields, consumerTag: '' } };
  }

  /** How many messages wait in the queue. @throws when the queue or the channel is gone */
  async count(): Promise<number> {
    return (await this.#channel.checkQueue(this.queue)).messageCount;
  }

  came(delivery: AmqpDelivery): void {
    this.held.add(delivery);
    this.#acks.came(delivery.source);
    this.#arrivals++;
  }

  /** A message in hand came back: it goes on in its new place. */
  attach(came: AmqpDelivery, inHand: AmqpDelivery): void {
    this.held.delete(came);
    inHand.attach(this, came.source);
    this.held.add(inHand);
    this.out.add(inHand);
  }

  #letGo(delivery: AmqpDelivery): void {
    this.held.delete(delivery);
    this.out.delete(delivery);
    this.kept.delete(delivery);
  }

  acknowledge(delivery: AmqpDelivery): void {
    this.#letGo(delivery);
    if (!this.#open) return;
    this.#acks.add(delivery.source);
    this.#acknowledged.push(delivery.key);
    // No more can be on their way than the broker had pushed.
    const half = 2 * this.#max + 100;
    if (this.#acknowledged.length > 2 * half) this.#acknowledged.splice(0, half);
  }

  /** Called regularly. True: no message has come for a while, and none is held. */
  hasRested(): boolean {
    this.#idle = this.held.size === 0 && this.#arrivals === this.#glanced ? this.#idle + 1 : 0;
    this.#glanced = this.#arrivals;
    if (this.#idle < idleGlances) return false;
    this.#idle = 0;
    return true;
  }

  get isFull(): boolean {
    return this.held.size >= this.#prefetch;
  }

  /** Whether messages waited at the last two checks, and none came though there is room. @throws when the queue or the channel is gone */
  async isForgotten(): Promise<boolean> {
    const before = this.#arrivals;
    const messageCount = await this.count();
    const isStuck = messageCount > 0 && this.#arrivals === before && this.#waitedAt === before;
    this.#waitedAt = messageCount > 0 ? this.#arrivals : -1;
    return isStuck;
  }

  /** The feed has ended. */
  end(): void {
    this.#open = false;
    this.ready.length = 0;
  }

  /** Keys of the messages that were acknowledged last. */
  get acknowledged(): readonly string[] {
    return this.#acknowledged;
  }

  /** Sends the outstanding acknowledgements, before the channel is given up. */
  flush(): void {
    this.#acks.flush();
  }

  abandon(): void {
    void this.#channel.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#acks.flush();
    await closeChannel(this.#channel);
  }
}

/** Not one whose node is away, which keeps its messages. */
function isDeleted(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404 && !/home node/.test(error.message);
}
