// Groups failures by task, exception and the place in the code.
import type { App } from '../../../app/app.ts';
import type { TaskRecord } from '../../../history/record.ts';

export interface FailureGroup {
  /** Identifies the group. */
  readonly key: string;
  /** `ValueError`. */
  readonly exception: string;
  /** The message of the latest failure. */
  readonly message: string;
  readonly task: string | null;
  /** The innermost line of the traceback: `tasks.py:12 in charge`; null: there is no traceback. */
  readonly place: string | null;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly lastId: string;
  /** Number of failures in each of 24 equal parts of the time, the oldest first. */
  readonly trend: readonly number[];
  readonly workers: readonly string[];
}

interface FailureList {
  readonly groups: readonly FailureGroup[];
  /** Number of failures that were read: the latest. */
  readonly searched: number;
  /** There are older failures that were not read. */
  readonly partial: boolean;
}

const pageSize = 1_000;
const maxSearched = 5_000;
const parts = 24;

/** @throws BrokerUnavailable, StoreError */
export async function groupFailures(app: App, hours: number, now = Date.now()): Promise<FailureList> {
  const failed: TaskRecord[] = [];
  let after: string | null = null;
  do {
    const options = { sort: '-ended', limit: pageSize, ...(after !== null && { after }) };
    const found = await app.history.list(`state:failure ended:<${hours}h`, options);
    failed.push(...found.tasks);
    after = found.next;
  } while (after !== null && failed.length < maxSearched);
  return {
    groups: groupsOf(failed, now - hours * 3_600_000, now),
    searched: failed.length,
    partial: after !== null,
  };
}

/** Pure. The largest group first. */
export function groupsOf(
  failed: readonly TaskRecord[],
  from: number,
  until: number,
): readonly FailureGroup[] {
  const groups = new Map<string, TaskRecord[]>();
  for (const task of failed) {
    const key = JSON.stringify([task.name, typeOf(task.exception), placeOf(task.traceback)]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [task]);
    else group.push(task);
  }
  return [...groups]
    .map(([key, tasks]) => groupOf(key, tasks, from, until))
    .sort((a, b) => b.count - a.count || b.lastAt - a.lastAt);
}

function groupOf(key: string, tasks: readonly TaskRecord[], from: number, until: number): FailureGroup {
  const trend = Array.from({ length: parts }, () => 0);
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let latest = tasks[0];
  for (const task of tasks) {
    const at = task.endedAt ?? task.updatedAt;
    const part = Math.min(parts - 1, Math.max(0, Math.floor(((at - from) / (until - from)) * parts)));
    trend[part] = (trend[part] ?? 0) + 1;
    first = Math.min(first, at);
    if (at > last) [last, latest] = [at, task];
  }
  return {
    key,
    exception: typeOf(latest?.exception ?? null),
    message: messageOf(latest?.exception ?? null),
    task: latest?.name ?? null,
    place: placeOf(latest?.traceback ?? null),
    count: tasks.length,
    firstAt: first,
    lastAt: last,
    lastId: latest?.id ?? '',
    trend,
    workers: [...new Set(tasks.flatMap(({ worker }) => worker ?? []))].sort().slice(0, 10),
  };
}

/** `ValueError('no such user')` -> `ValueError`. */
function typeOf(exception: string | null): string {
  return /^[\w$.]+/.exec(exception ?? '')?.[0] ?? 'unknown';
}

const maxMessageLength = 300;

function messageOf(exception: string | null): string {
  const text = exception ?? '';
  const [, inner = text] = /^[\w$.]+\((.*)\)$/s.exec(text) ?? [];
  return inner.replace(/^(['"])(.*)\1,?$/s, '$2').slice(0, maxMessageLength);
}

/** Python names the innermost frame last, JavaScript first. */
function placeOf(traceback: string | null): string | null {
  if (traceback === null) return null;
  const python = [...traceback.matchAll(/^ *File "([^"]+)", line (\d+), in (.+)$/gm)].at(-1);
  if (python !== undefined) return `${lastOf(python[1])}:${python[2]} in ${python[3]}`;
  for (const [, name, file, line] of traceback.matchAll(
    /^\s*at (?:(?:async )?(.+?) \()?(?:file:\/\/)?([^\s()]+?):(\d+):\d+\)?$/gm,
  ))
    if (file?.startsWith('node:') === false) return `${lastOf(file)}:${line}${name ? ` in ${name}` : ''}`;
  return null;
}

function lastOf(path = ''): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
