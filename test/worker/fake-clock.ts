import { type Clock, sleepOn } from '../../src/lib/clock.ts';

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #ms: number;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  constructor(ms: number = Date.parse('2026-11-21T12:00:00Z')) {
    this.#ms = ms;
  }

  now(): number {
    return this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  after(ms: number, then: () => void): () => void {
    const sleeper = { atMs: this.#ms + ms, wake: then };
    this.#sleepers.add(sleeper);
    return () => {
      this.#sleepers.delete(sleeper);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** How many sleep. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Moves the time, wakes who is due, in order, and lets them act. */
  async advance(ms: number): Promise<void> {
    this.#ms += ms;
    const due = [...this.#sleepers].filter(({ atMs }) => atMs <= this.#ms).sort((a, b) => a.atMs - b.atMs);
    for (const sleeper of due) {
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await turn();
  }
}

/** Lets everything that is ready to go on, go on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
