// The time of the store, which all beats share, read by a clock that never jumps in between.
import type { Clock } from '../lib/clock.ts';

/** Less than this is a slow answer; more, the clock was moved. Milliseconds. */
const slackMs = 20;
/** How much the two clocks may part between two readings, milliseconds. */
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
