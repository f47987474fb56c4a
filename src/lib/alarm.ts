import type { Clock } from './clock.ts';

/** What one sleeps on and others ring. A ring that comes while nobody sleeps ends the next sleep at once. */
export class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #nap: AbortController | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** May be handed over as it is, for example as a listener of `abort`. */
  readonly ring = (): void => {
    this.#rung = true;
    this.#nap?.abort(rung); // a reason of its own for each would be an exception with its stack
  };

  /** Sleeps until it is rung (true), `ms` at most (false). */
  async sleep(ms: number): Promise<boolean> {
    if (!this.#rung) {
      this.#nap = new AbortController();
      await this.#clock.sleep(ms, this.#nap.signal).catch(() => {});
      this.#nap = null;
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}

const rung = 'rung';
