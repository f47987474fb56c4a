// Records of tasks for people.
import type { TaskAttempt, TaskRecord } from '../history/record.ts';
import type { Output } from './output.ts';
import { clean, cleanLines } from './terminal/clean.ts';

export const rowHead: readonly string[] = [
  'id',
  'task',
  'state',
  'queue',
  'worker',
  'seen',
  'wait',
  'runtime',
];

/** A line of the list. Unknown values are `?`. */
export function asRow(task: TaskRecord): readonly string[] {
  return [
    clean(task.id),
    clean(task.name ?? '?'),
    task.state,
    clean(task.queue ?? '?'),
    clean(task.worker ?? '?'),
    timeOf(task.seenAt).slice(0, 19),
    lengthOf(task.waitMs),
    lengthOf(task.runtimeMs),
  ];
}

/** A line that says what has become of a task: time, state, name, id, worker, error. */
export function changeRow(task: TaskRecord): string {
  const { id, name, state, worker, runtimeMs, exception, updatedAt } = task;
  const words = [
    timeOf(updatedAt).slice(0, 23),
    state.padEnd(8),
    clean(name ?? '?'),
    clean(id),
    worker === null ? null : clean(worker),
    runtimeMs === null ? null : lengthOf(runtimeMs),
    exception === null ? null : clean(exception).slice(0, 200),
  ];
  return words.filter((word) => word !== null).join('  ');
}

/** A record with all its fields. */
export function asText(task: TaskRecord, output: Output): string {
  const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
  const facts: readonly (readonly [string, string | null])[] = [
    ['task', task.name],
    ['id', task.id],
    ['state', task.state],
    ['args', json(task.args) ?? task.argsRepr],
    ['kwargs', json(task.kwargs) ?? task.kwargsRepr],
    ['queue', task.queue],
    ['priority', task.priority?.toString() ?? null],
    ['sent by', task.client],
    ['worker', task.worker],
    ['sent', orNull(task.sentAt)],
    ['eta', orNull(task.eta)],
    ['expires', orNull(task.expires)],
    ['received', orNull(task.receivedAt)],
    ['started', orNull(task.startedAt)],
    ['ended', orNull(task.endedAt)],
    ['wait', task.waitMs === null ? null : lengthOf(task.waitMs)],
    ['runtime', task.runtimeMs === null ? null : lengthOf(task.runtimeMs)],
    ['retries', task.retries?.toString() ?? null],
    ['parent', task.parentId],
    ['root', task.rootId],
    ['group', task.groupId],
    ['chord', task.chordId],
    ['chain', task.chainLeft === null ? null : `${task.chainLeft} more follow`],
    ['retry of', task.retryOf],
    ['retried as', task.retriedAs.join(', ') || null],
    ['stamps', json(task.stamps)],
    ['progress', json(task.progress.at(-1)?.value ?? null)],
    ['result', task.result],
    ['exception', task.exception],
  ];
  const lines = facts
    .filter((fact): fact is [string, string] => fact[1] !== null)
    .map(([name, value]) => `${output.dim(name.padEnd(10))} ${clean(value)}`);
  const tries = task.attempts.map((attempt, at) => `${at + 1}. ${tryOf(attempt)}`);
  const traceback = task.traceback === null ? [] : ['', cleanLines(task.traceback.trimEnd())];
  const steps = task.progress.map(({ at, value }) => ({ at, text: `progress  ${clean(json(value) ?? '')}` }));
  const logged = task.log.map(({ at, level, message }) => ({
    at,
    text: `${clean(level ?? '?').padEnd(8)}  ${cleanLines(message)}`,
  }));
  const log = [...steps, ...logged]
    .sort((a, b) => a.at - b.at)
    .map(({ at, text }) => `${timeOf(at)}  ${text}`);
  const shownLog = log.length === 0 ? [] : ['', output.bold('Log'), ...log];
  return [...lines, '', output.bold('Tries'), ...tries, ...shownLog, ...traceback].join('\n');
}

function tryOf({ worker, state, startedAt, receivedAt, runtimeMs, exception }: TaskAttempt): string {
  const at = startedAt ?? receivedAt;
  const words = [
    at === null ? null : timeOf(at),
    clean(worker ?? 'an unknown worker'),
    state,
    runtimeMs === null ? null : `after ${lengthOf(runtimeMs)}`,
    exception === null ? null : clean(exception),
  ];
  return words.filter((word) => word !== null).join('  ');
}

function orNull(time: number | null): string | null {
  return time === null ? null : timeOf(time);
}

function timeOf(ms: number): string {
  return new Date(Math.min(8e15, Math.max(0, ms))).toISOString().replace('T', ' ');
}

function lengthOf(ms: number | null): string {
  if (ms === null) return '?';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
