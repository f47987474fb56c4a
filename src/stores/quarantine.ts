import type { Clock } from '../lib/clock.ts';

/** A message is quarantined after this number of owners died while they held it: it may have killed them. */
export const quarantineAfter = 2;

/**
 * Milliseconds. For this time a consumer that holds messages waits to be empty before it takes a quarantined message beside them; and for this
 * time it leaves a quarantined message alone before it takes others. So long tasks keep neither quarantined messages waiting for ever, nor slots empty.
 */
export const quarantineTimeoutMs = 10_000;

/**
 * Whether a message may have killed its owners. A consumer holds a quarantined message alone. So a poison message is separated from the messages that
 * were only held with it: only its own crashes grow, and no other quarantined message is charged with a crash.
 */
export function isQuarantined(crashes: number): boolean {
  return crashes >= quarantineAfter;
}

/** What a claim may take. */
interface ClaimPermission {
  /** The first quarantined message, if one waits. Never a second one. */
  readonly quarantined: boolean;
  readonly others: boolean;
  /** Nothing may be taken for this time, milliseconds, unless a held message is let go before; null: something may be taken. */
  readonly againMs: number | null;
}

const everything: ClaimPermission = { quarantined: false, others: true, againMs: null };
const quarantinedOnly: ClaimPermission = { quarantined: true, others: false, againMs: null };

/** Counts what one consumer holds, and decides what it may take. */
export class Quarantine {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #timeoutMs: number;
  #held = 0;
  #quarantined = 0;
  /** When the held quarantined message was taken, on the monotonic clock. */
  #takenAt = 0;
  /** Since when quarantined messages wait for this consumer to be empty; null: none is known to wait. */
  #waitingSince: number | null = null;

  constructor(clock: Pick<Clock, 'monotonic'>, timeoutMs: number = quarantineTimeoutMs) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** How many messages are held. */
  get held(): number {
    return this.#held;
  }

  /** Whether one of them is quarantined. */
  get holdsQuarantined(): boolean {
    return this.#quarantined > 0;
  }

  /** Quarantined messages wait, and the consumer waits to be empty. */
  get isWaiting(): boolean {
    return this.#waitingSince !== null;
  }

  /** How long the consumer takes nothing, since it holds a quarantined message, milliseconds; 0: it may take more. */
  get aloneMs(): number {
    if (this.#quarantined === 0) return 0;
    return Math.max(0, this.#takenAt + this.#timeoutMs - this.#clock.monotonic());
  }

  /** A message was taken. */
  took(crashes: number): void {
    this.#held++;
    if (!isQuarantined(crashes)) return;
    this.#quarantined++;
    this.#takenAt = this.#clock.monotonic();
    this.#waitingSince = null;
  }

  /** A message was let go. True: another decision may be possible now, ask again. */
  letGo(crashes: number): boolean {
    this.#held--;
    if (isQuarantined(crashes)) this.#quarantined--;
    return isQuarantined(crashes) || (this.#held === 0 && this.#waitingSince !== null);
  }

  /** The consumer holds nothing any more. */
  reset(): void {
    this.#held = 0;
    this.#quarantined = 0;
    this.#waitingSince = null;
  }

  /** What may be taken. While a quarantined message is held, `quarantinedWaits` has no effect. */
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
    const againMs = this.#waitingSince + this.#timeoutMs - now;
    return againMs > 0 ? { quarantined: false, others: false, againMs } : quarantinedOnly;
  }
}
