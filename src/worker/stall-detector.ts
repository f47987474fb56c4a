import type { Clock } from '../lib/clock.ts';
import type { Service } from '../lib/service.ts';
import { Interval } from './interval.ts';

/**
 * Notices that this process has stood still (SIGSTOP, a machine that slept) for longer than its lease: others may have been given, and
 * have ended, what it claimed before and has not begun. A blocked event loop looks the same from here; then the doubt is needless, and costs
 * a look for each task.
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

  /** What was claimed may be another's by now: whoever runs it should look first whether it has ended. */
  get maybeFenced(): boolean {
    const nowMs = this.#clock.monotonic();
    // What goes on first after a stall may be a task, not the interval.
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
    // What was on its way when it stood still comes within moments.
    if (nowMs - this.#lastMs > this.#leaseMs) this.#maybeFencedUntilMs = nowMs + this.#leaseMs;
    this.#lastMs = nowMs;
  }
}
