// How records look in a table of PostgreSQL.
import { createHash } from 'node:crypto';
import { ascii } from '../../lib/json-writer.ts';
import { encodeResult } from '../../protocol/result-codec.ts';
import { isReady, type ResultRecord } from '../../protocol/result-meta.ts';

export interface RecordRow {
  readonly key: string;
  readonly status: string;
  /** What replaces what: 0 has not ended, 1 ended, 2 SUCCESS. */
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
 * The key of a task's record: its id, if that fits an index, a notification and a database of any encoding; else its
 * digest.
 */
export function keyOf(id: string): string {
  if (/^[\x21-\x7e]{1,150}$/.test(id) && !id.startsWith('sha256:')) return id;
  // UTF-16, since not every id has a form in UTF-8.
  return `sha256:${createHash('sha256').update(Buffer.from(id, 'utf16le')).digest('hex')}`;
}

/**
 * What is left of several writes of one record, in their order: the same as if they had been made one after another,
 * whatever was there before.
 */
export function lastingOf(before: RecordRow, after: RecordRow): RecordRow {
  if (before.rank === 2) return before;
  return after.rank >= before.rank ? after : before;
}
