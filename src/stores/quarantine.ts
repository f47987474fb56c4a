import type { Clock } from '../lib/clock.ts';

/** Owners that died holding a message before it is suspected of having killed them. */
export const suspectAfter = 2;

/**
 * For so long a consumer waits to be empty before it takes a suspect beside what it holds, and leaves a suspect alone before it takes
 * others beside it: milliseconds. Long tasks neither keep suspects waiting for ever nor the other slots empty.
 */
export const quarantinePatienceMs = 10_000;

/**
 * Whether a message may be what killed its owners. A consumer holds a suspect alone: the killer and those who only stood beside it
 * are parted, only the killer gathers more crashes, and no other killer's death is charged to an innocent suspect.
 */
export function isSuspect(crashes: number): boolean {
  return crashes >= suspectAfter;
}

/** What a claim may take now. */
export interface Verdict {
  /** The first suspect, if one waits: no second one. */
  readonly suspect: boolean;
  readonly others: boolean;
  /** Nothing may be taken: milliseconds until that changes, if nothing that is held is let go before; else null. */
  readonly againMs: number | null;
}

const everything: Verdict = { suspect: false, others: true, againMs: null };
const suspectOnly: Verdict = { suspect: true, others: false, againMs: null };

/** Keeps count of what one consumer holds, and decides what it may take beside it. */
export class Quarantine {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #patienceMs: number;
  #held = 0;
  #suspects = 0;
  /** When the suspect that is held was taken. */
  #takenAt = 0;
  /** Since when suspects wait for this consumer to be empty; null: none does, as far as is known. */
  #waitingSince: number | null = null;

  constructor(clock: Pick<Clock, 'monotonic'>, patienceMs: number = quarantinePatienceMs) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  get held(): number {
    return this.#held;
  }

  get holdsSuspect(): boolean {
    return this.#suspects > 0;
  }

  /** Suspects were seen to wait, and the consumer waits to be empty. */
  get isWaiting(): boolean {
    return this.#waitingSince !== null;
  }

  /** For how long it is to take nothing because of the suspect that it holds; 0: it may. Milliseconds. */
  get aloneMs(): number {
    if (this.#suspects === 0) return 0;
    return Math.max(0, this.#takenAt + this.#patienceMs - this.#clock.monotonic());
  }

  /** A message is held from now on. */
  took(crashes: number): void {
    this.#held++;
    if (!isSuspect(crashes)) return;
    this.#suspects++;
    this.#takenAt = this.#clock.monotonic();
    this.#waitingSince = null;
  }

  /** One is not held any more. True: what may be taken is another matter now, look again. */
  letGo(crashes: number): boolean {
    this.#held--;
    if (isSuspect(crashes)) this.#suspects--;
    return isSuspect(crashes) || (this.#held === 0 && this.#waitingSince !== null);
  }

  /** Nothing is held any more. */
  reset(): void {
    this.#held = 0;
    this.#suspects = 0;
    this.#waitingSince = null;
  }

  /** What may be taken. `suspectsWait` is of no account while a suspect is held. */
  look(suspectsWait: boolean): Verdict {
    if (this.#suspects > 0) {
      const againMs = this.aloneMs;
      return againMs > 0 ? { suspect: false, others: false, againMs } : everything;
    }
    if (!suspectsWait) {
      this.#waitingSince = null;
      return everything;
    }
    if (this.#held === 0) return suspectOnly;
    const now = this.#clock.monotonic();
    this.#waitingSince ??= now;
    const againMs = this.#waitingSince + this.#patienceMs - now;
    return againMs > 0 ? { suspect: false, others: false, againMs } : suspectOnly;
  }
}
