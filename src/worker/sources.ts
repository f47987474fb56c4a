// Where the worker's messages come from: a consumer, which is replaced when the worker is to serve other queues.
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Consumer, Delivery } from '../stores/transport.ts';

interface SourcesParts {
  readonly first: Consumer;
  /** All that are to be served; `first` serves those that are not paused. */
  readonly queues: readonly string[];
  readonly paused: ReadonlySet<string>;
  /** Opens another consumer. */
  readonly open: (queues: readonly string[]) => Promise<Consumer>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the old consumer's last messages are looked at until they are settled, milliseconds. */
const pollIntervalMs = 100;

export class Sources implements Consumer {
  readonly #parts: SourcesParts;
  #current: Consumer;
  #queues: readonly string[];
  #paused: ReadonlySet<string>;
  /** The queues of `#current`. */
  #open: readonly string[];
  /** Ends the claims of `#current`. */
  #swap = new AbortController();
  #heeded: AbortSignal | null = null;
  /** The number of claims under way. */
  #claiming = 0;
  #inHand: () => ReadonlySet<Delivery> = () => new Set();
  #changing: Promise<void> = Promise.resolve();
  readonly #retired = new Set<Consumer>();
  readonly #closing = new AbortController();

  constructor(parts: SourcesParts) {
    this.#parts = parts;
    this.#current = parts.first;
    this.#queues = parts.queues;
    this.#paused = parts.paused;
    this.#open = unpaused(parts.queues, parts.paused);
  }

  /** The queues that are served, also those of them that are paused. */
  get queues(): readonly string[] {
    return this.#queues;
  }

  /** The queues of which nothing is claimed. */
  get paused(): ReadonlySet<string> {
    return this.#paused;
  }

  /** Sets the source of the deliveries that are not settled yet. */
  watch(inHand: () => ReadonlySet<Delivery>): void {
    this.#inHand = inHand;
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    for (;;) {
      const swap = this.#swap;
      this.#passOn(signal);
      this.#claiming++;
      try {
        const deliveries = await this.#current.claim(capacity, swap.signal);
        if (deliveries.length > 0 || signal.aborted || !swap.signal.aborted) return deliveries;
      } finally {
        this.#claiming--;
      }
      await this.#changing; // the new consumer is there, or the old one goes on
      if (this.#closing.signal.aborted) return [];
    }
  }

  /** Serves these queues from now on. Claimed messages are finished. @throws the error of opening; then nothing has changed */
  serve(queues: readonly string[]): Promise<void> {
    return this.#change(() => this.#serve(queues, this.#paused));
  }

  /** Claims nothing of these queues from now on, and of all others that it serves. Claimed messages are finished. @throws as {@link serve} */
  pause(queues: ReadonlySet<string>): Promise<void> {
    return this.#change(() => this.#serve(this.#queues, queues));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#swap.abort();
    await this.#changing;
    await Promise.all([this.#current, ...this.#retired].map((source) => source.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The claim loop has one signal for all its claims; each consumer gets one of its own. */
  #passOn(signal: AbortSignal): void {
    if (this.#heeded !== signal) {
      this.#heeded = signal;
      signal.addEventListener('abort', () => this.#swap.abort(), { once: true });
    }
    if (signal.aborted) this.#swap.abort();
  }

  #change(change: () => Promise<void>): Promise<void> {
    const changing = this.#changing.then(change);
    this.#changing = changing.catch(() => undefined);
    return changing;
  }

  async #serve(queues: readonly string[], paused: ReadonlySet<string>): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const wanted = unpaused(queues, paused);
    if (wanted.join('\0') !== this.#open.join('\0')) await this.#replace(wanted);
    this.#queues = queues;
    this.#paused = paused;
  }

  async #replace(queues: readonly string[]): Promise<void> {
    const next = queues.length === 0 ? new EmptyConsumer() : await this.#parts.open(queues);
    const old = this.#current;
    this.#swap.abort();
    // A claim that has begun is finished: its deliveries are in hand before the old consumer is looked at.
    while (this.#claiming > 0) await this.#parts.clock.sleep(1);
    this.#current = next;
    this.#open = queues;
    this.#swap = new AbortController();
    if (this.#heeded?.aborted) this.#swap.abort();
    this.#retired.add(old);
    setImmediate(() => void this.#retire(old));
  }

  async #retire(old: Consumer): Promise<void> {
    const { clock, logger } = this.#parts;
    const before = [...this.#inHand()];
    while (!this.#closing.signal.aborted && before.some((delivery) => this.#inHand().has(delivery)))
      await clock.sleep(pollIntervalMs, this.#closing.signal).catch(() => undefined);
    if (this.#closing.signal.aborted || !this.#retired.delete(old)) return;
    await old.close().catch((error: unknown) => {
      logger.warn({ err: error }, `cannot leave the former queues cleanly: ${String(error)}`);
    });
  }
}

function unpaused(queues: readonly string[], paused: ReadonlySet<string>): readonly string[] {
  return queues.filter((queue) => !paused.has(queue));
}

/** A consumer that serves no queue. */
export class EmptyConsumer implements Consumer {
  claim(_: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve([]);
      else signal.addEventListener('abort', () => resolve([]), { once: true });
    });
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
