import type { Clock } from '../lib/clock.ts';
import type { Service } from '../lib/service.ts';
import { Interval } from './interval.ts';

/**
 * Notices that this process stood still (SIGSTOP, a machine that slept) for longer than its lease. Messages that it claimed before, and has not
 * begun, may have been delivered to other workers and run there. A blocked event loop looks the same from here; then nothing was lost, and
 * each task costs one needless look-up.
 */
export class StallDetector implements Service {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #interval: Interval;
  #lastMs: number;
  #maybeFencedUntilMs = 0;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#lastMs = clock.monotonic();
    this.#interval = new Interval(clock, leaseMs / 3, () => this.#tick());
  }

  /** A claimed message may be another worker's by now: look for its result before running it. */
  get maybeFenced(): boolean {
    const nowMs = this.#clock.monotonic();
    // After a stall a task may run before the interval does.
    return nowMs - this.#lastMs > this.#leaseMs || nowMs < this.#maybeFencedUntilMs;
  }

  async start(): Promise<void> {
    this.#lastMs = this.#clock.monotonic();
    await this.#interval.start();
  }

  stop(): Promise<void> {
    return this.#interval.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #tick(): void {
    const nowMs = this.#clock.monotonic();
    // Messages that were on their way during the stall arrive within moments.
    if (nowMs - this.#lastMs > this.#leaseMs) this.#maybeFencedUntilMs = nowMs + this.#leaseMs;
    this.#lastMs = nowMs;
  }
}
