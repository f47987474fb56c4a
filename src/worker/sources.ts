// Where the worker's messages come from: a consumer, which is replaced when the worker is to serve other queues.
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Consumer, Delivery } from '../stores/transport.ts';

interface SourcesParts {
  readonly first: Consumer;
  readonly queues: readonly string[];
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
  }

  /** The queues that are served. */
  get queues(): readonly string[] {
    return this.#queues;
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
    const change = this.#changing.then(() => this.#serve(queues));
    this.#changing = change.catch(() => undefined);
    return change;
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

  async #serve(queues: readonly string[]): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const next = queues.length === 0 ? new EmptyConsumer() : await this.#parts.open(queues);
    const old = this.#current;
    this.#swap.abort();
    // A claim that has begun is finished: its deliveries are in hand before the old consumer is looked at.
    while (this.#claiming > 0) await this.#parts.clock.sleep(1);
    this.#current = next;
    this.#queues = queues;
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
