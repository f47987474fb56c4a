import type { Clock } from '../lib/clock.ts';

/** Owners that died holding a message before it is suspected of having killed them. */
export const quarantineAfter = 2;

/**
 * For so long a consumer waits to be empty before it takes a quarantined message beside what it holds, and leaves a quarantined message alone before it takes
 * others beside it: milliseconds. Long tasks neither keep quarantined messages waiting for ever nor the other slots empty.
 */
export const quarantinePatienceMs = 10_000;

/**
 * Whether a message may be what killed its owners. A consumer holds a quarantined message alone: the poison message and those who only stood beside it
 * are parted, only the poison message gathers more crashes, and no other poison message's death is charged to an innocent quarantined message.
 */
export function isQuarantined(crashes: number): boolean {
  return crashes >= quarantineAfter;
}

/** What a claim may take now. */
interface ClaimPermission {
  /** The first quarantined message, if one waits: no second one. */
  readonly quarantined: boolean;
  readonly others: boolean;
  /** Nothing may be taken: milliseconds until that changes, if nothing that is held is let go before; else null. */
  readonly againMs: number | null;
}

const everything: ClaimPermission = { quarantined: false, others: true, againMs: null };
const quarantinedOnly: ClaimPermission = { quarantined: true, others: false, againMs: null };

/** Keeps count of what one consumer holds, and decides what it may take beside it. */
export class Quarantine {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #patienceMs: number;
  #held = 0;
  #quarantined = 0;
  /** When the quarantined message that is held was taken. */
  #takenAt = 0;
  /** Since when quarantined messages wait for this consumer to be empty; null: none does, as far as is known. */
  #waitingSince: number | null = null;

  constructor(clock: Pick<Clock, 'monotonic'>, patienceMs: number = quarantinePatienceMs) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  get held(): number {
    return this.#held;
  }

  get holdsQuarantined(): boolean {
    return this.#quarantined > 0;
  }

  /** Quarantined messages were seen to wait, and the consumer waits to be empty. */
  get isWaiting(): boolean {
    return this.#waitingSince !== null;
  }

  /** For how long it is to take nothing because of the quarantined message that it holds; 0: it may. Milliseconds. */
  get aloneMs(): number {
    if (this.#quarantined === 0) return 0;
    return Math.max(0, this.#takenAt + this.#patienceMs - this.#clock.monotonic());
  }

  /** A message is held from now on. */
  took(crashes: number): void {
    this.#held++;
    if (!isQuarantined(crashes)) return;
    this.#quarantined++;
    this.#takenAt = this.#clock.monotonic();
    this.#waitingSince = null;
  }

  /** One is not held any more. True: what may be taken is another matter now, look again. */
  letGo(crashes: number): boolean {
    this.#held--;
    if (isQuarantined(crashes)) this.#quarantined--;
    return isQuarantined(crashes) || (this.#held === 0 && this.#waitingSince !== null);
  }

  /** Nothing is held any more. */
  reset(): void {
    this.#held = 0;
    this.#quarantined = 0;
    this.#waitingSince = null;
  }

  /** What may be taken. `quarantinedWaits` is of no account while a quarantined message is held. */
  look(quarantinedWaits: boolean): ClaimPermission {
    if (this.#quarantined > 0) {
      const againMs = this.aloneMs;
      return againMs > 0 ? { quarantined: false, others: false, againMs } : everything;
    }
    if (!quarantinedWaits) {
      this.#waitingSince = null;
      return everything;
    }
    if (this.#held === 0) return quarantinedOnly;
    const now = this.#clock.monotonic();
    this.#waitingSince ??= now;
    const againMs = this.#waitingSince + this.#patienceMs - now;
    return againMs > 0 ? { quarantined: false, others: false, againMs } : quarantinedOnly;
  }
}
