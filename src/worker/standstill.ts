import type { Clock } from '../lib/clock.ts';
import type { Service } from '../lib/service.ts';
import { Watch } from './watch.ts';

/**
 * Notices that this process has stood still (SIGSTOP, a machine that slept) for longer than its lease: others may have been given, and
 * have ended, what it claimed before and has not begun. A blocked event loop looks the same from here; then the doubt is needless, and costs
 * a look for each task.
 */
export class Standstill implements Service {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #watch: Watch;
  #lastMs: number;
  #doubtUntilMs = 0;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#lastMs = clock.monotonic();
    this.#watch = new Watch(clock, leaseMs / 3, () => this.#look());
  }

  /** What was claimed may be another's by now: whoever runs it should look first whether it has ended. */
  get doubtful(): boolean {
    const nowMs = this.#clock.monotonic();
    // What goes on first after a standstill may be a task, not the watch.
    return nowMs - this.#lastMs > this.#leaseMs || nowMs < this.#doubtUntilMs;
  }

  async start(): Promise<void> {
    this.#lastMs = this.#clock.monotonic();
    await this.#watch.start();
  }

  stop(): Promise<void> {
    return this.#watch.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #look(): void {
    const nowMs = this.#clock.monotonic();
    // What was on its way when it stood still comes within moments.
    if (nowMs - this.#lastMs > this.#leaseMs) this.#doubtUntilMs = nowMs + this.#leaseMs;
    this.#lastMs = nowMs;
  }
}
