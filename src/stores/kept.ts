// How long records are kept.

/** An ended task's record, in milliseconds; null: for ever, which Celery also means by 0. */
export function keptMs(expiresMs: number | null): number | null {
  if (expiresMs === null || expiresMs <= 0 || expiresMs > longestMs) return null;
  return Math.max(1, Math.ceil(expiresMs));
}

/**
 * The record of a task that has not ended: as long as that of one that has, and not less than a day, Celery's own
 * expiry, so that a task is not forgotten while it waits or runs because results are kept for minutes only.
 */
export function keptUnendedMs(expiresMs: number | null): number | null {
  const ms = keptMs(expiresMs);
  return ms === null ? null : Math.max(ms, dayMs);
}

const dayMs = 86_400_000;
/** A thousand years; Redis refuses what does not fit its clock. */
const longestMs = 1000 * 365 * dayMs;
