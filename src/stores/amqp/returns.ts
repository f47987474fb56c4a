// Messages that came back to the broker though they were with a worker. That it lost its connection does not mean that it died: workers
// ask each other before they count a death. Who runs it goes on, and another keeps the message for it, unacknowledged, until it is over.

import { MicroBatcher } from '../../lib/batch.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AmqpDelivery } from './amqp-delivery.ts';
import type { AmqpConnection } from './client/link.ts';
import type { Feed } from './feed.ts';
import { type HolderMailbox, type HolderMessage, openMailboxes } from './holder-mailbox.ts';

interface ReturnsParts {
  readonly clock: Clock;
  /** For so long one who lost its connection may take to come back and say that it lives, milliseconds. */
  readonly graceMs: number;
  /** What is in hand on channels that are open as far as is known here. */
  readonly inHand: () => Iterable<AmqpDelivery>;
  /** It came back to whom has it in hand. */
  readonly attach: (came: AmqpDelivery, feed: Feed, inHand: AmqpDelivery) => void;
  /** It is over: nothing is missing but its acknowledgement. */
  readonly acknowledge: (delivery: AmqpDelivery, feed: Feed) => void;
  /** Nobody has begun it, and nobody died of it. */
  readonly admit: (delivery: AmqpDelivery, feed: Feed) => void;
  /** Nobody who lives has it. */
  readonly charge: (delivery: AmqpDelivery, feed: Feed) => void;
  /** It is kept, and takes the place of none that could be begun. */
  readonly onKept: () => void;
  /** Others have taken it for a dead worker's. */
  readonly lose: (delivery: AmqpDelivery) => void;
}

/** One that came back to us, while it is not known to whom it belongs, or while we keep it for another. */
interface Kept {
  readonly delivery: AmqpDelivery;
  readonly feed: Feed;
  /** The mailbox of who runs it. */
  holder: string | null;
  /** When it is taken for a dead worker's, if nobody has said anything. */
  untilMs: number;
}

/** So many keys are remembered of each kind. */
const rememberedKeys = 10_000;

export class Returns {
  readonly #parts: ReturnsParts;
  /** In hand here, while their channel is gone. */
  readonly #adrift = new Map<string, AmqpDelivery>();
  readonly #kept = new Map<string, Kept>();
  /** Since when nobody has said of what came back that it is his. */
  readonly #unclaimed = new Map<string, number>();
  /** Settled here, and perhaps unknown to the broker. */
  readonly #over = new Keys();
  /** They were with us, and were not begun. Said once: whoever hears it has them then, and may die of them. */
  readonly #free = new Keys();
  readonly #charged = new Keys();
  /** Of `over`, those that lie at the broker as far as is known, by queue. */
  readonly #owed = new Map<string, AmqpDelivery>();
  /** Of `over`, what was settled while nobody could be told. */
  readonly #unreported: string[] = [];
  #mailbox: HolderMailbox | null = null;
  /** What comes back comes together: one question for all that one turn of the event loop brings. */
  readonly #questions = new MicroBatcher<string>((whose) => this.#mailbox?.toAll({ whose }));
  #watching = false;
  #forgotten = false;
  #closed = false;

  constructor(parts: ReturnsParts) {
    this.#parts = parts;
  }

  get adrift(): Iterable<AmqpDelivery> {
    return this.#adrift.values();
  }

  /** A connection is there. Never rejects: who may not have a mailbox works without. */
  async open(connection: AmqpConnection): Promise<void> {
    if (this.#closed) return;
    this.#forgotten = false;
    try {
      await openMailboxes(connection, {
        onOpen: (mailbox) => this.#begin(mailbox),
        onMessage: (message, from, isToAll) => this.#read(message, from, isToAll),
        onGone: (gone) => this.#holderGone(gone),
        onClosed: (mailbox) => {
          if (this.#mailbox === mailbox) this.#mailbox = null;
        },
      });
    } catch {
      // It works without.
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

  /** Those of which nobody says anything while we are connected lie at the broker, or are gone with their queue. */
  async #listenFor(adrift: readonly AmqpDelivery[]): Promise<void> {
    const { clock, graceMs } = this.#parts;
    const mailbox = this.#mailbox;
    if (adrift.length === 0 || mailbox === null) return;
    await clock.sleep(graceMs);
    if (this.#mailbox !== mailbox) return;
    for (const delivery of adrift) if (this.#adrift.get(delivery.key) === delivery) delivery.found();
  }

  /** The connection is gone. */
  lost(): void {
    this.#mailbox = null;
  }

  /** The channel is gone, and the broker may not have heard of all that was acknowledged on it. */
  ended(feed: Feed): void {
    if (!this.#forgotten) for (const key of feed.acknowledged) this.#over.add(key);
    // What is kept and comes from a queue that is gone comes to nobody else, should its holder be dead.
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
    // The connection may be there still: it was the channel, or the queue.
    void this.#listenFor([...feed.out]);
  }

  /** One that was delivered before. */
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
      this.#kept.set(key, { delivery, feed, holder: null, untilMs: this.#patienceFor(key) });
      this.#questions.add(key);
      void this.#watch();
      this.#parts.onKept();
    }
  }

  /** Whether it was settled here; its acknowledgement is all that is missing, and is yours. */
  isOver({ key }: AmqpDelivery): boolean {
    this.#owed.delete(key);
    return this.#over.has(key);
  }

  /** It was with us and was not begun: whoever asks may have it. */
  offer({ key }: AmqpDelivery): void {
    if (!this.#forgotten) this.#free.add(key);
  }

  /** Whether it was not begun, and nobody has asked for it; no one else gets it any more. */
  takeBack({ key }: AmqpDelivery): boolean {
    return this.#free.take(key);
  }

  /** Whether messages lie in the queue that were settled here. */
  owes(queue: string): boolean {
    return [...this.#owed.values()].some((delivery) => delivery.queue === queue);
  }

  /** It is settled, and was adrift: who has it now may acknowledge it. */
  over(delivery: AmqpDelivery): void {
    const { key } = delivery;
    this.#adrift.delete(key);
    if (!delivery.isElsewhere) this.#owed.set(key, delivery);
    if (this.#owed.size > rememberedKeys) this.#owed.clear();
    this.#free.take(key);
    this.#over.add(key);
    if (this.#mailbox === null) this.#unreported.push(key);
    else this.#mailbox.toAll({ over: [key] });
  }

  /** Nothing is told any more, and nothing is in hand. */
  close(): void {
    this.#closed = true;
    this.forget();
  }

  /** As if the process had died, until the next connection is there. For tests. */
  forget(): void {
    this.#forgotten = true;
    this.#mailbox = null;
    this.#kept.clear();
    for (const keys of [this.#over, this.#free, this.#charged, this.#owed]) keys.clear();
    for (const delivery of this.#adrift.values()) this.#parts.lose(delivery);
    this.#adrift.clear();
  }

  /** Where connections break again and again, who lives has said so in between: then it is not waited for as long each time. */
  #patienceFor(key: string): number {
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
    // Who asks while we are still opening our mailbox asks again when he hears that we are back; what is said to be free is said once.
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
      // It lives, and has let it go.
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

  /** Who kept it there has lost its connection, or died: it may come back and say so. */
  #holderGone(mailbox: string): void {
    for (const kept of this.#kept.values()) {
      if (kept.holder !== mailbox) continue;
      kept.holder = null;
      kept.untilMs = this.#later();
    }
  }

  /** As long as something is kept: whether those for whom it is are still there, and what nobody wants. */
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

/** The last so many. */
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
