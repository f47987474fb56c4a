import type { Clock } from '../lib/clock.ts';
import type { Service } from '../lib/service.ts';

/**
 * Notices that this process has stood still (SIGSTOP, a machine that slept) for longer than its lease: others may have been given, and
 * have ended, what it claimed before and has not begun. A blocked event loop looks the same from here; then the doubt is needless, and costs
 * a look for each task.
 */
export class Standstill implements Service {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  #lastMs: number;
  #doubtUntilMs = 0;

  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#lastMs = clock.monotonic();
  }

  /** What was claimed may be another's by now: whoever runs it should look first whether it has ended. */
  get doubtful(): boolean {
    const nowMs = this.#clock.monotonic();
    // What goes on first after a standstill may be a task, not the watch.
    return nowMs - this.#lastMs > this.#leaseMs || nowMs < this.#doubtUntilMs;
  }

  async start(): Promise<void> {
    this.#lastMs = this.#clock.monotonic();
    void this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#clock.sleep(this.#leaseMs / 3, signal).catch(() => undefined);
      const nowMs = this.#clock.monotonic();
      // What was on its way when it stood still comes within moments.
      if (nowMs - this.#lastMs > this.#leaseMs) this.#doubtUntilMs = nowMs + this.#leaseMs;
      this.#lastMs = nowMs;
    }
  }
}
