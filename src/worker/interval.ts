import type { Clock } from '../lib/clock.ts';
import type { Service } from '../lib/service.ts';

/** Calls a function repeatedly, with a pause of `everyMs` after each call, until it is stopped. */
export class Interval implements Service {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #tick: () => void;
  readonly #stopping = new AbortController();

  constructor(clock: Clock, everyMs: number, tick: () => void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#tick = tick;
  }

  async start(): Promise<void> {
    void this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#clock.sleep(this.#everyMs, signal).catch(() => undefined);
      if (!signal.aborted) this.#tick();
    }
  }
}
