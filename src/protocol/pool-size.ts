// How many tasks a worker runs at a time, by its reply to `inspect stats`.
import { isRecord } from '../lib/narrow.ts';

/** Null: it does not tell. */
export function poolSizeOf(stats: unknown): number | null {
  const pool = isRecord(stats) && isRecord(stats.pool) ? stats.pool : {};
  const { implementation, processes, 'max-concurrency': limit } = pool;
  const isOurs = typeof implementation === 'string' && implementation.startsWith('umbel:');
  // Python's prefork tells the size that it was started with, also when it has grown since.
  if (!isOurs && Array.isArray(processes) && processes.length > 0) return processes.length;
  return typeof limit === 'number' && Number.isFinite(limit) ? limit : null;
}
