import type { ClusterLimits, Permit } from './cluster-limits.ts';
import type { PrefetchGate } from './prefetch-gate.ts';
import type { Slots } from './slots.ts';

export interface HeldParts {
  readonly slots: Slots;
  /** Where messages are fetched ahead of free slots; else null. */
  readonly prefetchGate: PrefetchGate | null;
  readonly cluster: Pick<ClusterLimits, 'release'>;
}

/** What a worker holds for one delivery, from its claim on: a slot, a turn, a permit. All of it is given back here, once. */
export class Held {
  /** Of the limits that all workers share. */
  permit: Permit | null = null;
  /** It has passed the prefetch gate. */
  hasTurn = false;
  readonly #parts: HeldParts;
  #isVacated = false;

  constructor(parts: HeldParts) {
    this.#parts = parts;
  }

  /** The task's code has ended: others may begin under its limits. */
  releasePermit(): void {
    if (this.permit === null) return;
    this.#parts.cluster.release(this.permit);
    this.permit = null;
  }

  /** The task has ended and is to be settled: another may run in its place. */
  vacate(): void {
    this.#parts.slots.vacate();
    this.#isVacated = true;
    this.#leave();
  }

  /** It is over: all that is left. */
  release(): void {
    this.releasePermit();
    this.#leave();
    this.#parts.slots.release(this.#isVacated);
  }

  #leave(): void {
    if (!this.hasTurn) return;
    this.hasTurn = false;
    this.#parts.prefetchGate?.leave();
  }
}
