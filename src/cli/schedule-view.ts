// Schedules for people.
import type { ScheduleInfo, ScheduleRun, UpcomingRun } from '../beat/beat.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { Zone } from '../schedules/zone.ts';
import type { Output } from './output.ts';
import { clean } from './terminal/clean.ts';

export const rowHead: readonly string[] = [
  'name',
  'schedule',
  'task',
  'state',
  'from',
  'next',
  'last',
  'sent',
];

export function asRow(info: ScheduleInfo, timezone: string): readonly string[] {
  return [
    clean(info.name),
    clean(info.schedule),
    clean(info.task),
    info.state,
    info.fromCode ? 'code' : 'data',
    info.nextDue === null ? '-' : shownTime(info.nextDue, timezone),
    info.lastRun === null ? '-' : shownTime(info.lastRun, timezone),
    String(info.sent),
  ];
}

export function asText(info: ScheduleInfo, timezone: string, output: Output): string {
  const { policy } = info;
  const time = (date: Date | null): string =>
    date === null ? '-' : `${shownTime(date, timezone)} (${timezone})`;
  const facts: readonly (readonly [string, string | null])[] = [
    ['name', info.name],
    ['schedule', info.schedule],
    ['task', info.task],
    ['args', info.computed ? 'computed by the code' : JSON.stringify(info.args)],
    ['kwargs', info.computed ? null : JSON.stringify(info.kwargs)],
    ['options', JSON.stringify(info.options)],
    ['state', info.state],
    ['declared in', info.fromCode ? 'code' : 'the store'],
    ['since', time(info.since)],
    ['next', time(info.nextDue)],
    ['last sent', time(info.lastRun)],
    ['last task', info.lastTaskId],
    ['sent', String(info.sent)],
    ['missed runs', policy.missed === 'all' ? `all, at most ${policy.missedLimit}` : policy.missed],
    ['deadline', policy.startingDeadlineMs === null ? null : `${policy.startingDeadlineMs / 1000} s`],
    ['overlap', policy.overlap],
    ['jitter', policy.jitterMs === 0 ? null : `${policy.jitterMs / 1000} s`],
  ];
  return facts
    .filter((fact): fact is [string, string] => fact[1] !== null)
    .map(([name, value]) => `${output.dim(name.padEnd(12))} ${clean(value)}`)
    .join('\n');
}

export const runHead: readonly string[] = ['due', 'at', 'outcome', 'task id', 'state', 'detail'];

export function asRunRow(run: ScheduleRun, state: string | null, timezone: string): readonly string[] {
  const several = run.until.getTime() > run.due.getTime();
  return [
    shownTime(run.due, timezone) + (several ? ` to ${shownTime(run.until, timezone)}` : ''),
    shownTime(run.at, timezone),
    run.outcome,
    run.taskId ?? '-',
    state ?? '-',
    clean(run.detail ?? ''),
  ];
}

interface PreviewOptions {
  readonly from: Date;
  readonly ahead: Duration;
  readonly timezone: string;
}

const columns = 48;
/** Marks for the number of runs in a column: none, one, a few, several, many, very many. */
const marks: readonly (readonly [upTo: number, mark: string])[] = [
  [0, '·'],
  [1, '▁'],
  [3, '▃'],
  [10, '▅'],
  [30, '▆'],
  [Number.POSITIVE_INFINITY, '█'],
];
const maxListed = 20;
const maxOfOne = 5;

/** A line for each schedule, and the list of the first runs. */
export function previewText(runs: readonly UpcomingRun[], { from, ahead, timezone }: PreviewOptions): string {
  if (runs.length === 0) return 'Nothing is due.';
  const lengthMs = toMs(ahead);
  const counts = new Map<string, number[]>();
  for (const { name, due } of runs) {
    const line = counts.get(name) ?? Array.from({ length: columns }, () => 0);
    const column = Math.floor(((due.getTime() - from.getTime()) / lengthMs) * columns);
    const at = Math.min(columns - 1, Math.max(0, column));
    line[at] = (line[at] ?? 0) + 1;
    counts.set(name, line);
  }
  const width = Math.max(...[...counts.keys()].map((name) => clean(name).length));
  const lines = [...counts].map(([name, line]) => {
    const picture = line.map((count) => marks.find(([upTo]) => count <= upTo)?.[1] ?? '█').join('');
    const total = line.reduce((sum, count) => sum + count, 0);
    return `${clean(name).padEnd(width)}  ${picture}  ${total}`;
  });
  const first = firstOf(runs).map(({ name, due }) => `${shownTime(due, timezone)}  ${clean(name)}`);
  return [
    `${' '.repeat(width)}  ${scale(from, lengthMs, timezone)}`,
    ...lines,
    '',
    `The first ${first.length} of ${runs.length} runs, of each schedule ${maxOfOne} at most (${timezone}):`,
    ...first,
  ].join('\n');
}

/** The first runs, with few of each schedule, so that a schedule that is due each second does not hide the others. */
function firstOf(runs: readonly UpcomingRun[]): readonly UpcomingRun[] {
  const counts = new Map<string, number>();
  const first: UpcomingRun[] = [];
  for (const run of runs) {
    const count = counts.get(run.name) ?? 0;
    if (count === maxOfOne) continue;
    counts.set(run.name, count + 1);
    if (first.push(run) === maxListed) break;
  }
  return first;
}

/** The times above the columns. */
function scale(from: Date, lengthMs: number, timezone: string): string {
  const every = columns / 4;
  return Array.from({ length: 4 }, (_, index) => {
    const at = new Date(from.getTime() + (index * lengthMs) / 4);
    return `|${shownTime(at, timezone).slice(lengthMs > 4 * 86_400_000 ? 0 : 11, 16)}`
      .padEnd(every)
      .slice(0, every);
  }).join('');
}

/** A time in a time zone: `2030-01-31 09:00:00`. */
function shownTime(date: Date, timezone: string): string {
  const local = new Date(date.getTime() + Zone.named(timezone).offset(date.getTime()));
  return local.toISOString().slice(0, 19).replace('T', ' ');
}
