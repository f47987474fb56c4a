// The facts in a task event, ours or Python's. Never throws: an event of any content becomes facts or null.
import { isRecord } from '../lib/narrow.ts';
import type { WireEvent } from '../protocol/event.ts';
import { strictJson } from '../protocol/json.ts';
import { parseTimestamp } from '../protocol/timestamp.ts';
import { type Mark, type MarkKind, type TaskFacts, unknown } from './facts.ts';

/** The mark of each event type. Many Python programs name their own progress event `task-progress`; ours is `umbel-progress`. */
const kinds: Readonly<Record<string, MarkKind>> = {
  'task-sent': 'sent',
  'task-received': 'received',
  'task-started': 'started',
  'task-succeeded': 'succeeded',
  'task-failed': 'failed',
  'task-retried': 'retried',
  'task-revoked': 'revoked',
  'task-rejected': 'rejected',
  'task-progress': 'progress',
  'umbel-progress': 'progress',
  'umbel-log': 'log',
};

/** Longest id or name, in characters. Neither Umbel nor Celery makes longer ones; the event is ignored. */
const longestName = 512;
/** Longest text (arguments, results, tracebacks), in characters; the rest is cut off. */
const longestText = 10_000;
/** Longest JSON, in characters. Longer JSON is not kept, since half of it would no longer be JSON. */
const longestJson = 16_384;

const common = new Set(['type', 'hostname', 'timestamp', 'utcoffset', 'pid', 'clock', 'uuid', 'umbel']);

/** Null: the event is not about a task, or has nothing to keep. */
export function readTaskEvent(event: WireEvent): TaskFacts | null {
  const { uuid, umbel } = event;
  const kind = Object.hasOwn(kinds, event.type) ? kinds[event.type] : undefined;
  if (kind === undefined || typeof uuid !== 'string' || uuid === '' || uuid.length > longestName) return null;
  const more = isRecord(umbel) ? umbel : {};
  return {
    ...unknown,
    id: storable(uuid),
    name: nameOf(event.name),
    argsRepr: textOf(event.args),
    kwargsRepr: textOf(event.kwargs),
    parentId: nameOf(event.parent_id),
    rootId: nameOf(event.root_id),
    groupId: nameOf(more.group_id),
    chordId: nameOf(more.chord_id),
    args: Array.isArray(more.args) ? argumentsOf(more.args) : null,
    kwargs: isRecord(more.kwargs) ? argumentsOf(more.kwargs) : null,
    stamps: stampsOf(more.stamps),
    marks: [markOf(kind, event, more)],
  };
}

function markOf(kind: MarkKind, event: WireEvent, more: Readonly<Record<string, unknown>>): Mark {
  const said: { [Key in keyof Omit<Mark, 'kind' | 'at' | 'clock' | 'node'>]: Mark[Key] | null } = {
    queue: nameOf(event.queue) ?? nameOf(more.queue),
    routingKey: nameOf(event.routing_key),
    priority: numberOf(more.priority),
    attempt: numberOf(more.attempt),
    groupIndex: numberOf(more.group_index),
    chainLeft: numberOf(more.chain_left),
    retryOf: nameOf(more.retry_of),
    retriedAs: null,
    retries: numberOf(event.retries),
    eta: timeOf(event.eta),
    expires: timeOf(event.expires),
    runtimeMs: kind === 'succeeded' ? milliseconds(event.runtime) : null,
    result: kind === 'succeeded' ? textOf(event.result) : null,
    exception: textOf(event.exception),
    traceback: textOf(event.traceback),
    progress: kind === 'progress' ? progressOf(event) : null,
    level: kind === 'log' ? nameOf(event.level) : null,
    message: kind === 'log' ? textOf(event.message) : null,
  };
  const mark = {
    kind,
    at: milliseconds(event.timestamp) ?? 0,
    clock: event.clock,
    node: storable(event.hostname.slice(0, longestName)),
  };
  for (const [key, value] of Object.entries(said)) if (value !== null) Object.assign(mark, { [key]: value });
  return mark;
}

/** `umbel-progress` has the progress as one value; other programs have fields of their own. */
function progressOf(event: WireEvent): string | null {
  if ('progress' in event) return jsonOf(event.progress);
  return jsonOf(Object.fromEntries(Object.entries(event).filter(([name]) => !common.has(name))));
}

/** Stamps as lists of values by name; null: there are none. */
function stampsOf(value: unknown): string | null {
  if (!isRecord(value)) return null;
  const lists = Object.entries(value).map(([name, each]) => [name, Array.isArray(each) ? each : [each]]);
  return lists.length === 0 ? null : jsonOf(Object.fromEntries(lists));
}

/** Arguments as strict JSON, with typed values (dates, bytes) as kombu writes them, if that has them exactly. */
function argumentsOf(value: unknown): string | null {
  const json = strictJson(value) ?? jsonOf(value);
  return json === null || json.length > longestJson ? null : json;
}

/** A value as strict JSON. Null: JSON cannot hold it, or it is too long. */
function jsonOf(value: unknown): string | null {
  try {
    const text = JSON.stringify(value, plain) as string | undefined; // the type leaves out that undefined gives undefined
    return text === undefined || text.length > longestJson ? null : text;
  } catch {
    return null;
  }
}

/** Integers beyond 2^53 become decimal text, and bytes base64: JSON has no form of them that every reader understands. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}

function nameOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= longestName ? storable(value) : null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? storable(value.slice(0, longestText)) : null;
}

/** Databases refuse text with a NUL character or half of a surrogate pair. */
function storable(text: string): string {
  return /[\0\ud800-\udfff]/.test(text) ? Buffer.from(text.replaceAll('\0', '\ufffd')).toString() : text;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Seconds as milliseconds, rounded to microseconds. Null: no number, or a time beyond the year 97,000. */
function milliseconds(value: unknown): number | null {
  const seconds = numberOf(value);
  return seconds === null || Math.abs(seconds) > 3e12 ? null : Math.round(seconds * 1e6) / 1000;
}

function timeOf(value: unknown): number | null {
  return typeof value === 'string' ? (parseTimestamp(value)?.getTime() ?? null) : null;
}
