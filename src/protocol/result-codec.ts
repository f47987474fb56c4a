// Celery's meta map as text, as every JSON result backend stores it.

import { NotSerializableError } from '../errors.ts';
import { textOr } from '../lib/narrow.ts';
import { asWireException } from './exception.ts';
import { decodeJson, encodeJson } from './json.ts';
import { type DecodeLimits, defaultLimits, maxValuesSent } from './limits.ts';
import type { Decoded, Json } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';
import { isException, type ResultRecord } from './result-meta.ts';
import { formatTimestamp, parseTimestamp } from './timestamp.ts';

/**
 * Writes a record like Celery.
 * @throws NotSerializableError with the path of the value that cannot be stored: `$.rows[3].id` within the result.
 */
export function encodeResult(record: ResultRecord): string {
  let text =
    `{"status": ${JSON.stringify(record.status)}, "result": ${encodeJson(record.result)}, ` +
    `"traceback": ${JSON.stringify(record.traceback)}, "children": ${encodeJson(record.children, '$children')}, ` +
    `"date_done": ${record.dateDone === null ? 'null' : `"${doneAt(record.dateDone)}"`}`;
  if (record.groupId != null) text += `, "group_id": ${JSON.stringify(record.groupId)}`;
  if (record.parentId != null) text += `, "parent_id": ${JSON.stringify(record.parentId)}`;
  if (record.name !== undefined) text += `, "name": ${JSON.stringify(record.name)}`;
  if (record.args !== undefined) text += `, "args": ${encodeJson(record.args, '$args')}`;
  if (record.kwargs !== undefined) text += `, "kwargs": ${encodeJson(record.kwargs, '$kwargs')}`;
  if (record.worker !== undefined) text += `, "worker": ${JSON.stringify(record.worker)}`;
  if (record.retries !== undefined) text += `, "retries": ${record.retries}`;
  if (record.queue !== undefined) text += `, "queue": ${JSON.stringify(record.queue)}`;
  return `${text}, "task_id": ${JSON.stringify(record.taskId)}}`;
}

interface DecodeResultOptions {
  readonly limits?: DecodeLimits;
  /** The id under which the record is stored, for records without one (Celery 3). */
  readonly keptAs?: string;
}

/**
 * Reads a record. Never throws. Only `status` and `task_id` are required: a failed record whose other fields have an unknown form
 * is still a failed record.
 */
export function decodeResult(
  text: string,
  { limits = resultLimits, keptAs }: DecodeResultOptions = {},
): Decoded<ResultRecord> {
  const decoded = decodeJson(text, limits);
  if (!decoded.ok) return decoded;
  const meta = decoded.value;
  if (!isMap(meta)) return refuse('body', `the record is ${kindOf(meta)}, not a map`);
  const { status, task_id: taskId = keptAs } = meta;
  if (typeof status !== 'string' || status === '') return refuse('body', "the record has no 'status'");
  if (typeof taskId !== 'string' || taskId === '') return refuse('body', "the record has no 'task_id'");
  return accept({
    taskId,
    status,
    result: isException(status) ? asWireException(meta.result) : (meta.result ?? null),
    traceback: textOr(meta.traceback, null),
    children: Array.isArray(meta.children) ? meta.children.filter(Array.isArray) : [],
    dateDone: readTime(meta.date_done),
    ...('group_id' in meta ? { groupId: textOr(meta.group_id, null) } : undefined),
    ...('parent_id' in meta ? { parentId: textOr(meta.parent_id, null) } : undefined),
    ...extendedParts(meta),
  });
}

/** Results may be larger than messages (Redis' limit is 512 MB). Every record that `encodeResult` writes can be read. */
const resultLimits: DecodeLimits = {
  ...defaultLimits,
  maxSize: 512 * 1024 * 1024,
  maxKeys: 2 * maxValuesSent,
  maxValues: 2 * maxValuesSent,
};

type Extended = Pick<ResultRecord, 'name' | 'args' | 'kwargs' | 'worker' | 'retries' | 'queue'>;

function extendedParts(meta: Json): Extended {
  return {
    ...(typeof meta.name === 'string' ? { name: meta.name } : undefined),
    ...(Array.isArray(meta.args) ? { args: meta.args } : undefined),
    ...(isMap(meta.kwargs) ? { kwargs: meta.kwargs } : undefined),
    ...('worker' in meta ? { worker: textOr(meta.worker, null) } : undefined),
    ...(typeof meta.retries === 'number' ? { retries: meta.retries } : undefined),
    ...('queue' in meta ? { queue: textOr(meta.queue, null) } : undefined),
  };
}

/** Celery 5.2 writes a time without an offset, in UTC; newer versions may write a typed value. */
function readTime(value: unknown): Date | null {
  if (value instanceof Date) return value;
  return typeof value === 'string' ? (parseTimestamp(value) ?? null) : null;
}

function doneAt(date: Date): string {
  try {
    return formatTimestamp(date);
  } catch (cause) {
    throw new NotSerializableError(
      '$date_done',
      `it is ${cause instanceof Error ? cause.message : 'no date'}`,
      { cause },
    );
  }
}
