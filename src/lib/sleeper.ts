import type { Clock } from './clock.ts';

/** A sleep that others end. A wake-up that comes while nobody sleeps ends the next sleep at once. */
export class Sleeper {
  readonly #clock: Clock;
  #woken = false;
  #sleeping: AbortController | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** May be handed over as it is, for example as a listener of `abort`. */
  readonly wake = (): void => {
    this.#woken = true;
    this.#sleeping?.abort(woken); // a reason of its own for each would be an exception with its stack
  };

  /** Sleeps until it is woken (true), `ms` at most (false). */
  async sleep(ms: number): Promise<boolean> {
    if (!this.#woken) {
      this.#sleeping = new AbortController();
      await this.#clock.sleep(ms, this.#sleeping.signal).catch(() => {});
      this.#sleeping = null;
    }
    const woken = this.#woken;
    this.#woken = false;
    return woken;
  }
}

const woken = 'woken';
