import { createHash } from 'node:crypto';

/**
 * The id of a run's task, made of application, schedule and due time: every beat that sends the run uses this id, and a
 * store that has seen it refuses the second message. A UUID of version 8 (RFC 9562): the due time first, as in our other ids.
 */
export function runId(app: string, schedule: string, dueMs: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([app, schedule, dueMs]))
    .digest();
  hash[0] = ((hash[0] ?? 0) & 0x0f) | 0x80;
  hash[2] = ((hash[2] ?? 0) & 0x3f) | 0x80;
  const hex =
    Math.max(0, dueMs).toString(16).padStart(12, '0').slice(-12) + hash.subarray(0, 10).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** How much later than due a run is sent, milliseconds: between 0 and the jitter, fixed by its id. */
export function jitterOf(id: string, jitterMs: number): number {
  if (jitterMs === 0) return 0;
  return Math.floor((Number.parseInt(id.slice(-12), 16) / 2 ** 48) * jitterMs);
}
