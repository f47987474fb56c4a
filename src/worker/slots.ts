import { type Deferred, deferred } from '../lib/deferred.ts';

/**
 * The worker's slots for running tasks. A slot is taken from the claim of a message until its task has ended. Tasks that have ended, and are not
 * settled yet, take no slot, up to as many of them as there are slots.
 */
export class Slots {
  #size: number;
  readonly #multiplier: number;
  #taken = 0;
  #settling = 0;
  #freed: Deferred<void> | null = null;
  #idle: Deferred<void> | null = null;

  /** `multiplier`: the worker holds this many messages for each slot; those that have none wait. */
  constructor(size: number, multiplier = 1) {
    this.#size = size;
    this.#multiplier = multiplier;
  }

  get size(): number {
    return this.#size;
  }

  /** Sets the number of slots. Tasks that run above it go on. */
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

  /** The number of deliveries that hold a slot, or settle. */
  get busy(): number {
    return this.#taken + this.#settling;
  }

  take(): void {
    this.#taken++;
  }

  /** Its task has ended, and is to be settled: another task may run in the slot. */
  vacate(): void {
    this.#taken--;
    this.#settling++;
    if (this.room > 0) this.nudge();
  }

  /** The delivery is over; `vacated`: its slot was given back before. */
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

  /** Wakes those that wait for a free slot, though there may be none: the worker stops. */
  nudge(): void {
    this.#freed?.resolve();
    this.#freed = null;
  }

  /** Resolves when no slot is taken, and all deliveries are settled. */
  whenIdle(): Promise<void> {
    if (this.busy === 0) return Promise.resolve();
    this.#idle ??= deferred();
    return this.#idle.promise;
  }
}
