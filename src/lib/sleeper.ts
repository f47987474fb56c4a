import type { Clock } from './clock.ts';

/** A sleep that others end. A wake-up that comes while nobody sleeps ends the next sleep at once. */
export class Sleeper {
  readonly #clock: Clock;
  #woken = false;
  #endSleep: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** May be handed over as it is, for example as a listener of `abort`. */
  readonly wake = (): void => {
    this.#woken = true;
    this.#endSleep?.();
  };

  /** Sleeps until it is woken (true), `ms` at most (false). */
  async sleep(ms: number): Promise<boolean> {
    // Without a signal: to make one and abort it costs as much as running a small task, and this is done for every packet.
    if (!this.#woken)
      await new Promise<void>((resolve) => {
        const callOff = this.#clock.after(ms, resolve);
        this.#endSleep = () => {
          callOff();
          resolve();
        };
      });
    this.#endSleep = null;
    const woken = this.#woken;
    this.#woken = false;
    return woken;
  }
}
