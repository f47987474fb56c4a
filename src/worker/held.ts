import type { ClusterLimits, Permit } from './cluster-limits.ts';
import type { PrefetchGate } from './prefetch-gate.ts';
import type { Slots } from './slots.ts';

export interface HeldParts {
  readonly slots: Slots;
  /** Set where messages are fetched ahead of free slots. */
  readonly prefetchGate: PrefetchGate | null;
  readonly cluster: Pick<ClusterLimits, 'release'>;
}

/** What a worker holds for one delivery from its claim on: a slot, a turn, a permit. Each is given back here, once. */
export class Held {
  /** The permit under shared limits. */
  permit: Permit | null = null;
  /** It has passed the prefetch gate. */
  hasTurn = false;
  readonly #parts: HeldParts;
  #isVacated = false;

  constructor(parts: HeldParts) {
    this.#parts = parts;
  }

  /** The task's code has ended: another task may begin under its limits. */
  releasePermit(): void {
    if (this.permit === null) return;
    this.#parts.cluster.release(this.permit);
    this.permit = null;
  }

  /** The task has ended, and is to be settled: another task may run in its slot. */
  vacate(): void {
    this.#parts.slots.vacate();
    this.#isVacated = true;
    this.#leave();
  }

  /** The delivery is settled: gives back the rest. */
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
