import { type Deferred, deferred } from '../lib/deferred.ts';

/** The worker's places to run a task. A place is taken from the claim of a message until its settlement is durable. */
export class Slots {
  readonly size: number;
  #taken = 0;
  #freed: Deferred<void> | null = null;
  #idle: Deferred<void> | null = null;

  constructor(size: number) {
    this.size = size;
  }

  get free(): number {
    return this.size - this.#taken;
  }

  take(): void {
    this.#taken++;
  }

  release(): void {
    this.#taken--;
    this.nudge();
    if (this.#taken > 0) return;
    this.#idle?.resolve();
    this.#idle = null;
  }

  /** Resolves when a slot is free, or at {@link nudge}. */
  whenFree(): Promise<void> {
    if (this.free > 0) return Promise.resolve();
    this.#freed ??= deferred();
    return this.#freed.promise;
  }

  /** Wakes who waits for a free slot though there may be none: the worker stops. */
  nudge(): void {
    this.#freed?.resolve();
    this.#freed = null;
  }

  /** Resolves when none is taken. */
  whenIdle(): Promise<void> {
    if (this.#taken === 0) return Promise.resolve();
    this.#idle ??= deferred();
    return this.#idle.promise;
  }
}
