// What an event says of a task: ours and Python's. Total: whatever stands in it, it becomes facts or nothing.
import { isRecord } from '../lib/narrow.ts';
import type { WireEvent } from '../protocol/event.ts';
import { parseTimestamp } from '../protocol/timestamp.ts';
import { type Mark, type MarkKind, type TaskFacts, unknown } from './facts.ts';

/** Of each of Celery's types. `task-progress` is what many Python programs call their own; ours is `umbel-progress`. */
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
};

/** Longest id or name, in characters: the same as elsewhere. What has a longer one is none of ours or Celery's. */
const longestName = 512;
/** Longest text of people's (arguments, results, tracebacks), in characters. */
const longestText = 10_000;
/** Longest JSON, in characters. One that is longer is unknown: half of it would be something else. */
const longestJson = 16_384;

const common = new Set(['type', 'hostname', 'timestamp', 'utcoffset', 'pid', 'clock', 'uuid', 'umbel']);

/** Null: it is of no task, or says nothing that is kept. */
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
    args: Array.isArray(more.args) ? jsonOf(more.args) : null,
    kwargs: isRecord(more.kwargs) ? jsonOf(more.kwargs) : null,
    stamps: stampsOf(more.stamps),
    marks: [markOf(kind, event, more)],
  };
}

function markOf(kind: MarkKind, event: WireEvent, more: Readonly<Record<string, unknown>>): Mark {
  const said: { [Key in keyof Omit<Mark, 'kind' | 'at' | 'clock' | 'node'>]: Mark[Key] | null } = {
    queue: nameOf(event.queue) ?? nameOf(more.queue),
    routingKey: nameOf(event.routing_key),
    priority: numberOf(more.priority),
    retries: numberOf(event.retries),
    eta: timeOf(event.eta),
    expires: timeOf(event.expires),
    runtimeMs: kind === 'succeeded' ? milliseconds(event.runtime) : null,
    result: kind === 'succeeded' ? textOf(event.result) : null,
    exception: textOf(event.exception),
    traceback: textOf(event.traceback),
    progress: kind === 'progress' ? progressOf(event) : null,
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

/** `umbel-progress` says it as one value, other programs in fields of their own. */
function progressOf(event: WireEvent): string | null {
  if ('progress' in event) return jsonOf(event.progress);
  return jsonOf(Object.fromEntries(Object.entries(event).filter(([name]) => !common.has(name))));
}

/** Lists of values by their names, and nothing else. */
function stampsOf(value: unknown): string | null {
  if (!isRecord(value)) return null;
  const lists = Object.entries(value).map(([name, each]) => [name, Array.isArray(each) ? each : [each]]);
  return lists.length === 0 ? null : jsonOf(Object.fromEntries(lists));
}

/** Strict JSON. Null for what has no form in it, or is too long. */
function jsonOf(value: unknown): string | null {
  try {
    const text = JSON.stringify(value, plain) as string | undefined; // undefined for undefined, which the type leaves out
    return text === undefined || text.length > longestJson ? null : text;
  } catch {
    return null;
  }
}

/** Integers beyond 2^53 and bytes have no form that every reader understands. */
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

/** Databases have no text with a NUL or with half of a letter. */
function storable(text: string): string {
  return /[\0\ud800-\udfff]/.test(text) ? Buffer.from(text.replaceAll('\0', '\ufffd')).toString() : text;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Of seconds, to microseconds. Null for what is no time of ours: the year 100,000. */
function milliseconds(value: unknown): number | null {
  const seconds = numberOf(value);
  return seconds === null || Math.abs(seconds) > 3e12 ? null : Math.round(seconds * 1e6) / 1000;
}

function timeOf(value: unknown): number | null {
  return typeof value === 'string' ? (parseTimestamp(value)?.getTime() ?? null) : null;
}
