// A message that RabbitMQ has delivered to this process.

import { BrokerUnavailable, LeaseLostError } from '../../errors.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { type Deferred, deferred } from '../../lib/deferred.ts';
import type { Decoded, WireMessage } from '../../protocol/message.ts';
import type { Delivery, Settlement } from '../transport.ts';
import type { AmqpMessage } from './client/link.ts';
import type { Feed } from './feed.ts';
import {
  announcedHeader,
  countOf,
  crashesHeader,
  deferralsHeader,
  fromMessage,
  keyOf,
  rawOf,
  replayedHeader,
  returnedHeader,
} from './wire.ts';

/** Carries out a settlement; false: the message's channel is gone, and another worker has it. */
type AmqpSettle = (delivery: AmqpDelivery, settlement: Settlement) => Promise<boolean>;

/** How long one wait lasts while it is not known who has the message, milliseconds. */
const steadyMs = 2000;

export class AmqpDelivery implements Delivery {
  readonly queue: string;
  readonly crashes: number;
  readonly deferrals: number;
  readonly redelivered: boolean;
  readonly replayed: boolean;
  readonly isAnnounced: boolean;
  #source: AmqpMessage;
  #feed: Feed;
  readonly #settle: AmqpSettle;
  #raw: Buffer | undefined;
  #message: Decoded<WireMessage> | undefined;
  #lost: AbortController | undefined;
  #isLost = false;
  #settled = false;
  #key: string | undefined;
  /** Set while it is not known who has it. */
  #adrift: Deferred<void> | null = null;
  #isElsewhere = false;

  constructor(queue: string, source: AmqpMessage, feed: Feed, settle: AmqpSettle) {
    this.queue = queue;
    this.#source = source;
    this.#feed = feed;
    // Not a quorum queue's delivery count: that counts lost connections, too, and not only deaths.
    this.crashes = countOf(source, crashesHeader);
    this.deferrals = countOf(source, deferralsHeader);
    this.redelivered = source.fields.redelivered || this.crashes > 0 || countOf(source, returnedHeader) > 0;
    this.replayed = countOf(source, replayedHeader) > 0;
    this.isAnnounced = countOf(source, announcedHeader) > 0;
    this.#settle = settle;
  }

  get source(): AmqpMessage {
    return this.#source;
  }

  /** The feed on which it came. */
  get feed(): Feed {
    return this.#feed;
  }

  get key(): string {
    this.#key ??= keyOf(this.queue, this.#source);
    return this.#key;
  }

  get raw(): Buffer {
    this.#raw ??= rawOf(this.source);
    return this.#raw;
  }

  get message(): Decoded<WireMessage> {
    this.#message ??= fromMessage(this.source, this.redelivered);
    return this.#message;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get lost(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#isLost) this.#lost.abort(new LeaseLostError());
    return this.#lost.signal;
  }

  get isAdrift(): boolean {
    return this.#adrift !== null;
  }

  async settle(settlement: Settlement): Promise<'settled' | 'fenced'> {
    if (this.#isLost) return 'fenced';
    if (this.#settled) throw new TypeError('a delivery is settled once');
    this.#settled = true;
    try {
      return (await this.#settle(this, settlement)) ? 'settled' : 'fenced';
    } catch (error) {
      this.#settled = false; // it may be settled again
      throw error;
    }
  }

  async steady(): Promise<void> {
    if (this.#adrift === null) return;
    const late = new BrokerUnavailable(
      'its connection broke, and it is not known yet whether another has it',
    );
    await withDeadline(steadyMs, this.#adrift.promise, () => late);
  }

  /** The channel is gone: the broker will deliver the message again. */
  drift(): void {
    this.#isElsewhere = false;
    this.#adrift ??= deferred();
  }

  /** Another worker keeps it for us. */
  get isElsewhere(): boolean {
    return this.#isElsewhere;
  }

  /** It is known to be ours: another worker keeps it for us (`elsewhere`), or it lies at the broker, or has come back. */
  found({ elsewhere = false }: { readonly elsewhere?: boolean } = {}): void {
    this.#isElsewhere = elsewhere;
    this.#adrift?.resolve();
    this.#adrift = null;
  }

  /** It came back to us. */
  attach(feed: Feed, source: AmqpMessage): void {
    this.#feed = feed;
    this.#source = source;
    this.found();
  }

  /** Another worker has it now. */
  lose(): void {
    this.#isLost = true;
    this.found();
    this.#lost?.abort(new LeaseLostError());
  }
}
