// The store's time, which all beats share, on a clock that never jumps.
import type { Clock } from '../lib/clock.ts';

/** A smaller difference is a slow answer; a larger one means that the clock was set, milliseconds. */
const slackMs = 20;
/** How far the two clocks may drift apart between two readings, milliseconds. */
const driftMs = 0.5;

export class StoreClock {
  readonly #clock: Clock;
  /** Store time minus monotonic time. */
  #offset = 0;
  #known = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The store answered `nowMs` (milliseconds since 1970), and the answer arrived at `receivedAt` (monotonic). The answer took time on its way,
   * so this clock is never ahead of the store's: of several readings the latest is the best.
   */
  set(nowMs: number, receivedAt: number): void {
    const offset = nowMs - receivedAt;
    const isJump = !this.#known || Math.abs(offset - this.#offset) > slackMs;
    this.#offset = isJump ? offset : Math.max(offset, this.#offset - driftMs);
    this.#known = true;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#clock.monotonic() + this.#offset;
  }
}
