import { setImmediate as nextTurn } from 'node:timers/promises';
import { StoreLostError } from '../errors.ts';
import { backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { retrying } from '../lib/retry.ts';
import type { Service } from '../lib/service.ts';
import type { Consumer, Delivery } from '../stores/transport.ts';
import type { Processor } from './process.ts';
import { storeBackoff } from './retrier.ts';
import type { Slots } from './slots.ts';

interface ClaimLoopParts {
  readonly source: Consumer;
  readonly slots: Slots;
  /** Takes a delivery over, and frees its slot in the end. Never rejects. */
  readonly processor: Pick<Processor, 'process' | 'giveBack'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The store is gone for good: retrying does not help. */
  readonly onLost: (error: StoreLostError) => void;
}

/** Empty claims in succession that are normal: each waits for a message, but may end when its slots were taken meanwhile. */
const maxNothings = 3;

/** Keeps the slots busy: claims as many messages as there are free slots, and never more. A prefetch multiplier adds to that. */
export class ClaimLoop implements Service {
  readonly #parts: ClaimLoopParts;
  readonly #stopping = new AbortController();
  #looping: Promise<void> | null = null;

  constructor(parts: ClaimLoopParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    this.#looping ??= this.#loop();
  }

  /** Resolves when no claim is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#parts.slots.nudge();
    await this.#looping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    const { slots, processor, clock } = this.#parts;
    const yielding = new EventLoopYield();
    let nothings = 0;
    while (!signal.aborted) {
      if (slots.room <= 0) {
        await slots.whenRoom();
        continue;
      }
      const deliveries = await this.#claim(signal);
      for (const delivery of deliveries) {
        slots.take();
        void (signal.aborted ? processor.giveBack(delivery) : processor.process(delivery));
      }
      // A consumer that was closed before its worker (`app.close()` before `worker.stop()`) returns at once, each time.
      nothings = deliveries.length === 0 ? nothings + 1 : 0;
      if (nothings > maxNothings)
        await clock.sleep(backoffDelay(storeBackoff, nothings - maxNothings), signal).catch(() => undefined);
      if (yielding.due()) await yielding.take();
    }
  }

  /** Waits for a broker that is away: the worker must never stop claiming. */
  async #claim(signal: AbortSignal): Promise<readonly Delivery[]> {
    const { source, slots, clock, logger } = this.#parts;
    const claim = async (failures: number): Promise<readonly Delivery[]> => {
      const deliveries = await source.claim(() => slots.room, signal);
      if (failures > 0) logger.info({ failures }, 'claiming messages again');
      return deliveries;
    };
    try {
      const claimed = await retrying(claim, {
        policy: storeBackoff,
        clock,
        signal,
        when: (error) => !(error instanceof StoreLostError),
        log: (error, retryMs) =>
          logger.error({ err: error, retryMs }, `cannot claim messages: ${String(error)}; retrying`),
      });
      return claimed ?? [];
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
      logger.error({ err: error }, `the worker ends: ${error.message}`);
      this.#parts.onLost(error);
      this.#stopping.abort();
      return [];
    }
  }
}

/** A store that answers at once would keep the loop in microtasks, and no timer or signal would ever be handled. */
class EventLoopYield {
  static readonly #everyMs = 10;
  #lastMs = performance.now();

  due(): boolean {
    return performance.now() - this.#lastMs > EventLoopYield.#everyMs;
  }

  async take(): Promise<void> {
    await nextTurn();
    this.#lastMs = performance.now();
  }
}
