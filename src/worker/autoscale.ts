// Scales the number of slots with the work, between two bounds.
import type { Autoscale } from '../config/worker-settings.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Service } from '../lib/service.ts';
import { Interval } from './interval.ts';
import type { Slots } from './slots.ts';

interface AutoscalerParts extends Autoscale {
  readonly slots: Slots;
  readonly resize: (concurrency: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const everyMs = 1000;
/** Celery's AUTOSCALE_KEEPALIVE, milliseconds: a slot that was not needed for this time is removed. */
const keepMs = 30_000;

/** Adds slots while all are taken, twice as many each second; removes slots that were not needed for half a minute. */
export class Autoscaler implements Service {
  readonly #parts: AutoscalerParts;
  readonly #watch: Interval;
  #bounds: Autoscale;
  /** The largest number of slots that were taken at once since `#sinceMs`. */
  #needed = 0;
  #sinceMs: number;

  constructor(parts: AutoscalerParts) {
    this.#parts = parts;
    this.#bounds = parts;
    this.#sinceMs = parts.clock.monotonic();
    this.#watch = new Interval(parts.clock, everyMs, () => this.#look());
  }

  get bounds(): Autoscale {
    return { max: this.#bounds.max, min: this.#bounds.min };
  }

  /** Sets other bounds. */
  set bounds(bounds: Autoscale) {
    this.#bounds = bounds;
    const { slots } = this.#parts;
    const size = Math.min(bounds.max, Math.max(bounds.min, slots.size));
    if (size !== slots.size) this.#resize(size, 'its bounds were changed');
  }

  start(): Promise<void> {
    return this.#watch.start();
  }

  stop(): Promise<void> {
    return this.#watch.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #look(): void {
    const { slots, clock } = this.#parts;
    const { min, max } = this.#bounds;
    const taken = slots.size - slots.free;
    this.#needed = Math.max(this.#needed, taken);
    if (slots.free <= 0 && slots.size < max) {
      this.#resize(Math.min(max, slots.size * 2), 'all places were taken');
    } else if (clock.monotonic() - this.#sinceMs >= keepMs) {
      // One slot to spare: it grows only when all are taken.
      const enough = Math.max(min, this.#needed + 1);
      if (enough < slots.size) this.#resize(enough, `fewer were needed for ${keepMs / 1000} s`);
      this.#begin(taken);
    }
  }

  #resize(size: number, why: string): void {
    const { slots, resize, logger, clock } = this.#parts;
    logger.info({ from: slots.size, to: size }, `autoscale: ${slots.size} -> ${size} slots, since ${why}`);
    resize(size);
    this.#begin(slots.size - slots.free);
    this.#sinceMs = clock.monotonic();
  }

  #begin(taken: number): void {
    this.#needed = taken;
    this.#sinceMs = this.#parts.clock.monotonic();
  }
}
