// How long records are kept.

/** How long the record of an ended task is kept, milliseconds; null: for ever, which is 0 in Celery. */
export function keptMs(expiresMs: number | null): number | null {
  if (expiresMs === null || expiresMs <= 0 || expiresMs > longestMs) return null;
  return Math.max(1, Math.ceil(expiresMs));
}

/**
 * How long the record of a task that has not ended is kept, milliseconds: as long as that of an ended task, and at least a day (Celery's own
 * expiry), so that a waiting or running task is not forgotten where results are kept for minutes only.
 */
export function keptUnendedMs(expiresMs: number | null): number | null {
  const ms = keptMs(expiresMs);
  return ms === null ? null : Math.max(ms, dayMs);
}

const dayMs = 86_400_000;
/** Milliseconds; a thousand years, since Redis refuses times beyond its clock. */
const longestMs = 1000 * 365 * dayMs;
