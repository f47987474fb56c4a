// Messages that came back to the broker while a worker held them. A lost connection does not mean that the worker died, so workers ask each
// other before they count a crash. The worker that runs the task goes on; another keeps the message for it, unacknowledged, until it is settled.

import { MicroBatcher } from '../../lib/batch.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AmqpDelivery } from './amqp-delivery.ts';
import type { AmqpConnection } from './client/link.ts';
import type { Feed } from './feed.ts';
import { type HolderMailbox, type HolderMessage, HolderPost, openMailboxes } from './holder-mailbox.ts';
import type { Publisher } from './publisher.ts';

interface ReturnsParts {
  readonly clock: Clock;
  readonly publisher: Publisher;
  /** How long a worker that lost its connection may take to connect again and answer, milliseconds. */
  readonly graceMs: number;
  /** Messages in hand on channels that are open, as far as is known. */
  readonly inHand: () => Iterable<AmqpDelivery>;
  /** The message came back to the worker that has it in hand. */
  readonly attach: (came: AmqpDelivery, feed: Feed, inHand: AmqpDelivery) => void;
  /** The task is settled: only the acknowledgement is missing. */
  readonly acknowledge: (delivery: AmqpDelivery, feed: Feed) => void;
  /** No worker has begun it, and none died of it. */
  readonly admit: (delivery: AmqpDelivery, feed: Feed) => void;
  /** No living worker has it: a crash is counted. */
  readonly charge: (delivery: AmqpDelivery, feed: Feed) => void;
  /** A message is kept for another worker, and takes no slot. */
  readonly onKept: () => void;
  /** Another worker has taken it for a dead worker's. */
  readonly lose: (delivery: AmqpDelivery) => void;
}

/** A message that came back, while its holder is unknown, or while it is kept for its holder. */
interface Kept {
  readonly delivery: AmqpDelivery;
  readonly feed: Feed;
  /** The mailbox of the worker that runs it. */
  holder: string | null;
  /** When it is taken for a dead worker's, if no worker answers, on the monotonic clock. */
  untilMs: number;
}

/** How many keys of each kind are remembered. */
const rememberedKeys = 10_000;

export class Returns {
  readonly #parts: ReturnsParts;
  readonly #post: HolderPost;
  /** Messages in hand here whose channel is gone. */
  readonly #adrift = new Map<string, AmqpDelivery>();
  readonly #kept = new Map<string, Kept>();
  /** Since when no worker has claimed a message that came back. */
  readonly #unclaimed = new Map<string, number>();
  /** Settled here, while the broker may not know it. */
  readonly #over = new Keys();
  /** They were here, and were not begun. Answered once: the worker that gets the answer has them then, and may die of them. */
  readonly #free = new Keys();
  readonly #charged = new Keys();
  /** Those of `over` that lie at the broker, as far as is known. */
  readonly #owed = new Map<string, AmqpDelivery>();
  /** Those of `over` that were settled while there was no mailbox. */
  readonly #unreported: string[] = [];
  #mailbox: HolderMailbox | null = null;
  /** Messages come back together: one question for all that come in one turn of the event loop. */
  readonly #questions = new MicroBatcher<string>((whose) => this.#mailbox?.toAll({ whose }));
  #watching = false;
  #forgotten = false;
  #closed = false;

  constructor(parts: ReturnsParts) {
    this.#parts = parts;
    this.#post = new HolderPost(parts.publisher, parts.clock, {
      onGone: (gone) => this.#holderGone(gone),
      onLost: () => this.#sayAgain(),
    });
  }

  get adrift(): Iterable<AmqpDelivery> {
    return this.#adrift.values();
  }

  /** A new connection. Never rejects: without the right to a mailbox it works without one. */
  async open(connection: AmqpConnection): Promise<void> {
    if (this.#closed) return;
    this.#forgotten = false;
    try {
      await openMailboxes(connection, this.#post, {
        onOpen: (mailbox) => this.#begin(mailbox),
        onMessage: (message, from, isToAll) => this.#read(message, from, isToAll),
        onClosed: (mailbox) => {
          if (this.#mailbox === mailbox) this.#mailbox = null;
        },
      });
    } catch {
      // It works without a mailbox.
    }
  }

  #begin(mailbox: HolderMailbox): void {
    if (this.#closed) return;
    this.#mailbox = mailbox;
    const adrift = [...this.#adrift];
    const over = this.#unreported.splice(0);
    mailbox.toAll({ back: adrift.map(([key]) => key), over });
    void this.#listenFor(adrift.map(([, delivery]) => delivery));
  }

  /** Others ask again when they hear that we are back, and what we asked we ask again. */
  #sayAgain(): void {
    const open = [...this.#kept].filter(([, { holder }]) => holder === null);
    this.#mailbox?.toAll({ back: [...this.#adrift.keys()], whose: open.map(([key]) => key) });
  }

  /** Messages that no worker mentions while we are connected lie at the broker, or are gone with their queue. */
  async #listenFor(adrift: readonly AmqpDelivery[]): Promise<void> {
    const { clock, graceMs } = this.#parts;
    const mailbox = this.#mailbox;
    if (adrift.length === 0 || mailbox === null) return;
    await clock.sleep(graceMs);
    if (this.#mailbox !== mailbox) return;
    for (const delivery of adrift) if (this.#adrift.get(delivery.key) === delivery) delivery.found();
  }

  /** The connection is lost. */
  lost(): void {
    this.#mailbox = null;
  }

  /** The channel is gone, and the broker may have missed acknowledgements on it. */
  ended(feed: Feed): void {
    if (!this.#forgotten) for (const key of feed.acknowledged) this.#over.add(key);
    // A kept message whose queue is gone would come to no other worker if its holder died: it stays here.
    for (const [key, kept] of this.#kept) if (kept.feed === feed && !feed.isGone) this.#kept.delete(key);
    for (const delivery of feed.held) {
      if (feed.kept.has(delivery)) continue;
      if (!feed.out.has(delivery)) {
        this.offer(delivery);
      } else if (this.#forgotten || this.#adrift.has(delivery.key)) this.#parts.lose(delivery);
      else {
        delivery.drift();
        this.#adrift.set(delivery.key, delivery);
      }
    }
    // The connection may still be there: only the channel, or the queue, is gone.
    void this.#listenFor([...feed.out]);
  }

  /** A message that was delivered before. */
  cameBack(delivery: AmqpDelivery, feed: Feed): void {
    const { key } = delivery;
    const ours = this.#adrift.get(key);
    if (ours !== undefined) {
      this.#adrift.delete(key);
      this.#parts.attach(delivery, feed, ours);
    } else if (this.isOver(delivery)) this.#parts.acknowledge(delivery, feed);
    else if (this.#free.take(key)) this.#parts.admit(delivery, feed);
    else {
      feed.kept.add(delivery);
      this.#kept.set(key, { delivery, feed, holder: null, untilMs: this.#waitUntilMs(key) });
      this.#questions.add(key);
      void this.#watch();
      this.#parts.onKept();
    }
  }

  /** Whether it was settled here: then only its acknowledgement is missing, which the caller must send. */
  isOver({ key }: AmqpDelivery): boolean {
    this.#owed.delete(key);
    return this.#over.has(key);
  }

  /** It was here, and was not begun: any worker that asks may have it. */
  offer({ key }: AmqpDelivery): void {
    if (!this.#forgotten) this.#free.add(key);
  }

  /** Whether it was not begun, and no worker has asked for it; from now on no other gets it. */
  takeBack({ key }: AmqpDelivery): boolean {
    return this.#free.take(key);
  }

  /** Whether the queue holds messages that were settled here. */
  owes(queue: string): boolean {
    return [...this.#owed.values()].some((delivery) => delivery.queue === queue);
  }

  /** It is settled, after its channel was gone: the worker that has it now may acknowledge it. */
  over(delivery: AmqpDelivery): void {
    const { key } = delivery;
    this.#adrift.delete(key);
    if (!delivery.isElsewhere) this.#owed.set(key, delivery);
    if (this.#owed.size > rememberedKeys) this.#owed.clear();
    this.#free.take(key);
    this.#over.add(key);
    if (this.#mailbox === null) {
      // Without the right to a mailbox nothing is ever reported.
      if (this.#unreported.push(key) > rememberedKeys) this.#unreported.shift();
    } else this.#mailbox.toAll({ over: [key] });
  }

  /** Says nothing any more; nothing is in hand. Resolves when what was said is on its way. */
  close(): Promise<void> {
    this.#closed = true;
    this.forget();
    return this.#post.close();
  }

  /** Behaves as if the process had died, until the next connection. For tests. */
  forget(): void {
    this.#forgotten = true;
    this.#mailbox = null;
    this.#kept.clear();
    for (const keys of [this.#over, this.#free, this.#charged, this.#owed]) keys.clear();
    for (const delivery of this.#adrift.values()) this.#parts.lose(delivery);
    this.#adrift.clear();
  }

  /** If connections break repeatedly, a living worker had time to ask for the message in between. So the wait becomes shorter each time. */
  #waitUntilMs(key: string): number {
    const { clock, graceMs } = this.#parts;
    const now = clock.monotonic();
    const firstMs = this.#unclaimed.get(key) ?? now;
    if (this.#unclaimed.size >= rememberedKeys) this.#unclaimed.clear();
    this.#unclaimed.set(key, firstMs);
    return Math.max(now + graceMs / 4, Math.min(now + graceMs, firstMs + 2 * graceMs));
  }

  #later(): number {
    return this.#parts.clock.monotonic() + this.#parts.graceMs;
  }

  #read(message: HolderMessage, from: string, isToAll: boolean): void {
    const { whose = [], back, held = [], over = [], free = [], gone = [], unknown = [] } = message;
    // A worker that asks before our mailbox is open asks again when it receives `back`; `free` is answered only once.
    const mailbox = this.#mailbox;
    if (whose.length > 0 && mailbox !== null) {
      const { unknown, ...answer } = this.#answer(whose);
      if (!isToAll) mailbox.to(from, { ...answer, unknown });
      else if (unknown.length < whose.length) mailbox.to(from, answer);
    }
    if (back !== undefined) {
      const gone = back.filter((key) => this.#charged.has(key));
      const missed = [...this.#kept].filter(([key, { holder }]) => holder === null || back.includes(key));
      const asked = missed.map(([key]) => key);
      if (gone.length + asked.length > 0) this.#mailbox?.to(from, { gone, whose: asked });
    }
    for (const key of held) {
      const kept = this.#kept.get(key);
      if (kept !== undefined) kept.holder = from;
      this.#unclaimed.delete(key);
    }
    for (const key of over) this.#release(key, this.#parts.acknowledge);
    for (const key of free) this.#release(key, this.#parts.admit);
    for (const key of unknown) {
      const kept = this.#kept.get(key);
      // The holder lives, and has let it go.
      if (kept?.holder === from) this.#release(key, this.#parts.admit);
    }
    for (const key of gone) {
      const delivery = this.#adrift.get(key);
      if (delivery === undefined) continue;
      this.#adrift.delete(key);
      this.#parts.lose(delivery);
    }
  }

  #answer(keys: readonly string[]): Required<Omit<HolderMessage, 'whose' | 'back'>> {
    const inHand = new Map([...this.#parts.inHand()].map((delivery) => [delivery.key, delivery]));
    const answer = { held: [], over: [], free: [], gone: [], unknown: [] } satisfies HolderMessage as Record<
      keyof Omit<HolderMessage, 'whose' | 'back'>,
      string[]
    >;
    for (const key of keys) {
      const delivery = this.#adrift.get(key) ?? inHand.get(key);
      delivery?.found({ elsewhere: true });
      this.#owed.delete(key);
      if (delivery !== undefined) answer.held.push(key);
      else if (this.#over.has(key)) answer.over.push(key);
      else if (this.#free.take(key)) answer.free.push(key);
      else if (this.#charged.has(key)) answer.gone.push(key);
      else answer.unknown.push(key);
    }
    return answer;
  }

  #release(key: string, act: (delivery: AmqpDelivery, feed: Feed) => void): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#unclaimed.delete(key);
    kept.feed.kept.delete(kept.delivery);
    act(kept.delivery, kept.feed);
  }

  /** The holder has lost its connection, or died: it may come back and say so. */
  #holderGone(mailbox: string): void {
    for (const kept of this.#kept.values()) {
      if (kept.holder !== mailbox) continue;
      kept.holder = null;
      kept.untilMs = this.#later();
    }
  }

  /** While messages are kept: checks that their holders are still there, and releases messages that no worker claims. */
  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    const { clock, graceMs, charge } = this.#parts;
    for (let turn = 1; this.#kept.size > 0 && !this.#closed; turn++) {
      await clock.sleep(graceMs / 4);
      const byHolder = new Map<string, string[]>();
      for (const [key, { holder, untilMs }] of [...this.#kept]) {
        if (holder !== null) byHolder.set(holder, [...(byHolder.get(holder) ?? []), key]);
        else if (clock.monotonic() >= untilMs) {
          this.#charged.add(key);
          this.#release(key, charge);
        }
      }
      if (turn % 4 !== 0) continue;
      for (const [holder, whose] of byHolder) this.#mailbox?.to(holder, { whose });
    }
    this.#watching = false;
  }
}

/** A set of keys that forgets the oldest. */
class Keys {
  readonly #keys = new Set<string>();

  add(key: string): void {
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > rememberedKeys && oldest !== undefined) this.#keys.delete(oldest);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  clear(): void {
    this.#keys.clear();
  }

  take(key: string): boolean {
    return this.#keys.delete(key);
  }
}
