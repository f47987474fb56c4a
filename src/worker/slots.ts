import { type Deferred, deferred } from '../lib/deferred.ts';

/**
 * The worker's places to run a task. A place is taken from the claim of a message until its task has ended; what has ended
 * and is not settled yet takes none, up to as many again.
 */
export class Slots {
  #size: number;
  readonly #multiplier: number;
  #taken = 0;
  #settling = 0;
  #freed: Deferred<void> | null = null;
  #idle: Deferred<void> | null = null;

  /** `multiplier`: so many messages for each place are held, of which the others wait for theirs. */
  constructor(size: number, multiplier = 1) {
    this.#size = size;
    this.#multiplier = multiplier;
  }

  get size(): number {
    return this.#size;
  }

  /** From now on there are so many. What runs in more goes on. */
  resize(size: number): void {
    this.#size = size;
    this.nudge();
  }

  get free(): number {
    return this.size - this.#taken - Math.max(0, this.#settling - this.size);
  }

  /** How many more messages may be claimed. */
  get room(): number {
    return this.#size * this.#multiplier - this.#taken - Math.max(0, this.#settling - this.#size);
  }

  /** How many are taken, or settle. */
  get busy(): number {
    return this.#taken + this.#settling;
  }

  take(): void {
    this.#taken++;
  }

  /** Its task has ended, and is to be settled: another may run in its place. */
  vacate(): void {
    this.#taken--;
    this.#settling++;
    if (this.room > 0) this.nudge();
  }

  /** It is over with one that was taken; `vacated` before or not. */
  release(vacated = false): void {
    if (vacated) this.#settling--;
    else this.#taken--;
    this.nudge();
    if (this.busy > 0) return;
    this.#idle?.resolve();
    this.#idle = null;
  }

  /** Resolves when a slot is free, or at {@link nudge}. */
  whenFree(): Promise<void> {
    if (this.free > 0) return Promise.resolve();
    this.#freed ??= deferred();
    return this.#freed.promise;
  }

  /** Resolves when a message may be claimed, or at {@link nudge}. */
  whenRoom(): Promise<void> {
    if (this.room > 0) return Promise.resolve();
    this.#freed ??= deferred();
    return this.#freed.promise;
  }

  /** Wakes who waits for a free slot though there may be none: the worker stops. */
  nudge(): void {
    this.#freed?.resolve();
    this.#freed = null;
  }

  /** Resolves when none is taken, and all is settled. */
  whenIdle(): Promise<void> {
    if (this.busy === 0) return Promise.resolve();
    this.#idle ??= deferred();
    return this.#idle.promise;
  }
}
