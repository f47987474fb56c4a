/** Delays that double. `factor` and `maximum` have the same unit, whatever it is. */
export interface Backoff {
  /** The first delay. */
  readonly factor: number;
  readonly maximum: number;
  /** Full jitter: anything between 0 and the delay. */
  readonly jitter: boolean;
}

/** The delay before try number `retries` + 1: `min(maximum, factor * 2^retries)`, Celery's formula. */
export function backoffDelay(backoff: Backoff, retries: number, random: () => number = Math.random): number {
  const full = Math.min(backoff.maximum, backoff.factor * 2 ** retries);
  return backoff.jitter ? full * random() : full;
}
