import { type Clock, sleepOn } from '../lib/clock.ts';
import { Heap } from '../lib/heap.ts';

interface Sleeper {
  readonly at: number;
  wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;
  #elapsed = 0;
  readonly #sleepers = new Heap<Sleeper>((a, b) => a.at - b.at);

  /** @param now milliseconds since 1970 */
  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  /** Its time, milliseconds since 1970. */
  now(): number {
    return this.#now;
  }

  /** Milliseconds since it was made; never goes back. */
  monotonic(): number {
    return this.#elapsed;
  }

  /** Calls back when the clock was moved this far. */
  after(ms: number, then: () => void): () => void {
    const sleeper = { at: this.#elapsed + ms, wake: then };
    this.#sleepers.push(sleeper);
    return () => {
      sleeper.wake = () => undefined;
    };
  }

  /** Resolves when the clock was moved this far. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves the clock. Sleepers wake in the order of their times, and see their own time when they wake. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    for (
      let next = this.#sleepers.peek();
      next !== undefined && next.at <= until;
      next = this.#sleepers.peek()
    ) {
      this.#sleepers.pop();
      this.#pass(Math.max(0, next.at - this.#elapsed));
      next.wake();
      await new Promise((done) => setImmediate(done)); // the sleeper that it woke may sleep again
    }
    this.#pass(until - this.#elapsed);
  }

  /** Sets the wall clock without letting time pass, as an administrator can do. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#elapsed += ms;
  }
}
