// Messages that come to a consumer without a claim: the server moves the next message of a list to a list from which only this consumer takes.
// Until the message is adopted, no consumer holds it. Two rules keep it from being taken twice. While a read may be under way, no claim looks
// into that list; and if the answer of a read was lost, no other read begins before a claim has looked there.
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { BrokerUnavailable } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { retrying } from '../../lib/retry.ts';
import { BlockingRead } from './blocking-read.ts';
import type { RedisConnection } from './client/connection.ts';
import type { ClaimedMessage, CommandBatcher } from './command-batcher.ts';
import type { HandoffFlags } from './handoff-flags.ts';
import { takenKey } from './keys.ts';
import type { QueueList, QueueLists } from './queue-lists.ts';
import { maxReadMs } from './read-time.ts';
import type { RedisDelivery } from './redis-delivery.ts';

interface BlockingReadsParts {
  readonly prefix: string;
  readonly sources: QueueLists;
  readonly commands: CommandBatcher;
  readonly handoff: HandoffFlags;
  readonly clock: Clock;
  /** For commands about reads that block. */
  readonly control: RedisConnection;
  /** Opens another connection: each read has its own. */
  readonly connect: () => Promise<RedisConnection>;
  /** The consumer's id; empty while it has none. */
  readonly id: () => string;
  /** Whether there is room for a message. */
  readonly isWanted: () => boolean;
  /** A message came after this time. It is held, unless `onLost` takes that back; undefined: it was deferred. */
  readonly onMessage: (message: ClaimedMessage, waitedMs: number) => RedisDelivery | undefined;
  readonly onLost: (delivery: RedisDelivery) => void;
  /** After a batch that was refused since the consumer was not registered: whether the message in this field is ours under the new id. */
  readonly isStillOurs: (field: string) => Promise<boolean>;
  /** The next claim must look into lists where a message may lie. */
  readonly onReplyLost: () => void;
  /** The server refuses to read for now. */
  readonly onRefused: () => void;
}

export class BlockingReads {
  /** Fields of messages that a read took, and that may not be held yet, with the sha1 of each. */
  readonly adopting: Map<string, string> = new Map();
  readonly #parts: BlockingReadsParts;
  readonly #reads = new Map<string, BlockingRead>();
  readonly #closing = new AbortController();
  /** Lists (`:step:queue`) from which a read may have taken a message whose answer was lost. They are not read. */
  readonly #unknown = new Set<string>();
  /** Lists of `#unknown` into which a claim under way looks. */
  readonly #looking = new Set<string>();
  #opening: Promise<void> | null = null;

  constructor(parts: BlockingReadsParts) {
    this.#parts = parts;
    setMaxListeners(0, this.#closing.signal); // each lost answer adds a listener, and there are many where connections break again and again
  }

  /** Begins a read of each list. */
  async begin(): Promise<void> {
    if (this.#reads.size === 0) {
      this.#opening ??= this.#open();
      await this.#opening;
    }
    if (!this.#parts.isWanted()) return;
    for (const [suffix, waiter] of this.#reads) if (!this.#unknown.has(suffix)) waiter.want();
  }

  /** Stops all reads. Returns, for each read that was under way, a promise that it has ended. */
  stop(): Promise<void>[] {
    const reading = [...this.#reads.values()].filter((waiter) => waiter.reading);
    return reading.map((waiter) => waiter.stop(this.#parts.control));
  }

  /** Whether a claim must look into this list (`1`): one claim at a time, since the next read begins when it has looked. */
  look(suffix: string): '0' | '1' {
    if (!this.#unknown.has(suffix) || this.#looking.has(suffix)) return '0';
    this.#looking.add(suffix);
    return '1';
  }

  /** That claim is over. `found`: it has looked. */
  looked(suffixes: readonly string[], found: boolean): void {
    for (const suffix of suffixes) {
      this.#looking.delete(suffix);
      if (found) this.#unknown.delete(suffix);
    }
  }

  /** Forgets lost answers of the consumer's former id: those messages are not ours any more. */
  forget(): void {
    this.#unknown.clear();
  }

  /** Lost answers are not looked into any more; reads end with {@link close}. */
  leave(): void {
    this.#closing.abort();
  }

  async close(): Promise<void> {
    this.leave();
    await Promise.all([...this.#reads.values()].map((waiter) => waiter.close()));
  }

  async #open(): Promise<void> {
    const { sources, clock, connect, id } = this.#parts;
    for (const source of sources) {
      const { list, suffix } = source;
      this.#reads.set(
        suffix,
        new BlockingRead({
          connection: await connect(),
          source: list,
          taken: () => (id() === '' ? null : this.#placeOf(source)),
          clock,
          onMessage: (stored, taken, waitedMs) => this.#arrive(stored, taken, source, waitedMs),
          onRefused: this.#parts.onRefused,
          onReplyLost: () => {
            this.#claimLater(suffix);
            void this.#recoverLater(suffix);
          },
        }),
      );
    }
  }

  #placeOf({ queue, step }: QueueList): string {
    return takenKey(this.#parts.prefix, this.#parts.id(), queue, step);
  }

  /** A message lies in the list from which only we take. */
  #arrive(stored: Buffer, taken: string, source: QueueList, waitedMs: number): void {
    const { commands, handoff, id, isWanted, onMessage, onLost, onReplyLost } = this.#parts;
    const { queue, step, suffix } = source;
    // It was taken for the consumer's former id, which was evicted. That read has ended, so a new one is begun.
    if (id() === '' || taken !== this.#placeOf(source)) {
      void this.#giveBackStray(taken, source);
      onReplyLost();
      return;
    }
    // Our event loop was blocked for so long that the message was given back. If it was not, the next claim finds it.
    if (!handoff.take(suffix)) {
      this.#claimLater(suffix);
      return;
    }
    const sha = createHash('sha1').update(stored).digest('hex');
    if (!isWanted()) {
      commands
        .do('G', taken, queue, String(step), sha)
        .catch(() => this.#stopAndRecover(suffix))
        .finally(() => handoff.done(suffix));
      return;
    }
    const field = commands.field(suffix);
    this.adopting.set(field, sha);
    const adopted = this.#adopt(taken, field, sha);
    const delivery = onMessage({ field, queue, stored }, waitedMs);
    const lose = (): void => {
      if (delivery !== undefined) onLost(delivery);
    };
    adopted
      .then((ours) => {
        if (!ours) lose();
      })
      .catch(() => {
        lose();
        return this.#stopAndRecover(suffix);
      })
      .finally(() => {
        this.adopting.delete(field);
        handoff.done(suffix);
      });
  }

  #adopt(taken: string, field: string, sha: string): Promise<boolean> {
    const { commands, isStillOurs } = this.#parts;
    return new Promise((resolve, reject) => {
      const done = (ours: boolean, evicted: boolean): void => resolve(evicted ? isStillOurs(field) : ours);
      commands.order(['A', taken, field, sha], done, reject, true);
    });
  }

  /** Gives back a message that was taken for another id. The maintenance does so, too, unless the server has lost that id. */
  async #giveBackStray(taken: string, { queue, step }: QueueList): Promise<void> {
    const { commands, clock, id: current } = this.#parts;
    const giveBack = async (): Promise<void> => {
      const id = current();
      if (id !== '') await commands.do('G', taken, queue, String(step), '');
      if (id === '' || id !== current())
        throw new BrokerUnavailable('the consumer is on its way to another name');
    };
    await retrying(giveBack, { policy: retryPolicy, clock, signal: this.#closing.signal });
  }

  /** The next claim checks this list for a message. No read is under way. */
  #claimLater(suffix: string): void {
    this.#unknown.add(suffix);
    this.#parts.onReplyLost();
  }

  /** A server that has not noticed a lost connection may still take a message for it: recovers it after the time that this can take. */
  async #recoverLater(suffix: string): Promise<void> {
    await this.#parts.clock.sleep(maxReadMs, this.#closing.signal).catch(() => undefined);
    await this.#stopAndRecover(suffix);
  }

  async #stopAndRecover(suffix: string): Promise<void> {
    const waiter = this.#reads.get(suffix);
    do await waiter?.stop(this.#parts.control);
    while (waiter?.reading === true && !this.#closing.signal.aborted);
    if (!this.#closing.signal.aborted) this.#claimLater(suffix);
  }
}

const retryPolicy = { factor: 50, maximum: 1000, jitter: true } as const;
