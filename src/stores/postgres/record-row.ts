// Records as rows of a PostgreSQL table.
import { createHash } from 'node:crypto';
import { ascii } from '../../lib/json-writer.ts';
import { encodeResult } from '../../protocol/result-codec.ts';
import { isReady, type ResultRecord } from '../../protocol/result-meta.ts';

export interface RecordRow {
  readonly key: string;
  readonly status: string;
  /** A record replaces one of the same or a lower rank: 0 not ended, 1 ended, 2 SUCCESS, which nothing replaces. */
  readonly rank: 0 | 1 | 2;
  readonly meta: string;
}

/** @throws NotSerializableError */
export function rowOf(record: ResultRecord): RecordRow {
  return {
    key: keyOf(record.taskId),
    status: ascii(record.status.slice(0, 100)),
    rank: record.status === 'SUCCESS' ? 2 : isReady(record.status) ? 1 : 0,
    meta: ascii(encodeResult(record)),
  };
}

/**
 * The key of a task's record: the id, if it fits an index, a notification and a database of any encoding; else a digest of the id.
 */
export function keyOf(id: string): string {
  if (/^[\x21-\x7e]{1,150}$/.test(id) && !id.startsWith('sha256:')) return id;
  // UTF-16, since an id with half a surrogate pair has no UTF-8 form.
  return `sha256:${createHash('sha256').update(Buffer.from(id, 'utf16le')).digest('hex')}`;
}

/**
 * The one of two consecutive writes of a record that lasts. The result is the same as if both had been made in turn, whatever the record
 * was before.
 */
export function lastingOf(before: RecordRow, after: RecordRow): RecordRow {
  if (before.rank === 2) return before;
  return after.rank >= before.rank ? after : before;
}
