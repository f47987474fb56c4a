// Draws the tab of queues, workers and rates, which `umbel top` also prints. Pure.
import { shortCount, shortTime } from '../terminal/short.ts';
import { fitLine, fitRight, fitted, type Line, type Tone } from '../terminal/text.ts';
import type { Sample } from './sample.ts';

interface TopView {
  readonly width: number;
  /** null: as many lines as needed. */
  readonly height: number | null;
  readonly title: string;
  readonly sample: Sample;
  /** The help on the last line; null: none. */
  readonly keys: string | null;
}

/** Lines of exactly `width` cells. With `height`, exactly that number of lines. */
export function drawTop(view: TopView): readonly Line[] {
  const { width, height, title, sample, keys } = view;
  const head = headOf(title, sample);
  const tables = [queueTable(view), workerTable(view), taskTable(view)];
  const room = height === null ? Number.POSITIVE_INFINITY : height - head.length - (keys === null ? 0 : 1);
  const lines: Line[] = [...head, ...shared(tables, room)];
  if (height !== null) while (lines.length < height - (keys === null ? 0 : 1)) lines.push([]);
  if (keys !== null) lines.push([{ text: keys, tones: ['dim'] }]);
  return lines.slice(0, height ?? lines.length).map((line) => fitLine(line, width));
}

function shortRate(rate: number | null): string {
  if (rate === null) return '-';
  return rate < 10 ? rate.toFixed(1) : shortCount(Math.round(rate));
}

function headOf(title: string, { time, workers, tasks, dead, problem, queues }: Sample): readonly Line[] {
  const alive = workers.filter((worker) => worker.alive);
  const waiting = sum(queues, ({ ready }) => ready);
  const scheduled = sum(queues, (queue) => queue.scheduled);
  const running = sum(alive, ({ active }) => active);
  const rate = sum(tasks, ({ perSecond }) => perSecond);
  const failed = sum(tasks, (task) => task.failed);
  const clock = time.toISOString().slice(11, 19);
  return [
    [{ text: title, tones: ['bold'] }, { text: ` · ${clock} UTC` }],
    problem === null
      ? [
          { text: `workers ${alive.length}/${workers.length}`, tones: alive.length === 0 ? ['red'] : [] },
          { text: `  waiting ${shortCount(waiting)}  scheduled ${shortCount(scheduled)}` },
          { text: `  running ${shortCount(running)}  done ${shortRate(rate)}/s` },
          { text: `  failed ${shortCount(failed)}/min`, tones: failed > 0 ? ['red'] : [] },
          { text: `  dead ${dead === null ? '-' : shortCount(dead)}`, tones: (dead ?? 0) > 0 ? ['red'] : [] },
        ]
      : [{ text: problem, tones: ['red'] }],
  ];
}

function sum<T>(all: readonly T[], numberOf: (each: T) => number): number {
  return all.reduce((total, each) => total + numberOf(each), 0);
}

interface Table {
  readonly head: string;
  readonly rows: readonly Line[];
  readonly nothing: string;
}

/** The tables one below the other, with an empty line before each. A line counts the rows that do not fit. */
function shared(tables: readonly Table[], room: number): readonly Line[] {
  const shares = sharesOf(
    tables.map(({ rows }) => Math.max(1, rows.length)),
    room - 2 * tables.length,
  );
  return tables.flatMap(({ head, rows, nothing }, at): readonly Line[] => {
    const most = shares[at] ?? 1;
    const title: Line = [{ text: head, tones: ['bold', 'underline'] }];
    if (rows.length === 0) return [[], title, [{ text: nothing, tones: ['dim'] }]];
    if (rows.length <= most) return [[], title, ...rows];
    const left: Line = [{ text: `  … ${rows.length - most + 1} more`, tones: ['dim'] }];
    return [[], title, ...rows.slice(0, most - 1), left];
  });
}

/** Fair shares of the room: a table that wants less than its share gets what it wants, and the others share the rest. */
function sharesOf(wanted: readonly number[], room: number): readonly number[] {
  const shares = wanted.map(() => 1);
  let left = room;
  const modestFirst = [...wanted.keys()].sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  for (const [done, at] of modestFirst.entries()) {
    const fair = left === Number.POSITIVE_INFINITY ? left : Math.floor(left / (wanted.length - done));
    const share = Math.max(1, Math.min(wanted[at] ?? 1, fair));
    shares[at] = share;
    left -= share;
  }
  return shares;
}

/** A row. The name gets the width that the numbers leave. */
function row(width: number, name: string, numbers: readonly string[], rest = '', restWidth = 0): string {
  const taken = numbers.length * numberWidth + (restWidth > 0 ? restWidth + 2 : 0);
  const text =
    fitted(name, Math.max(8, width - taken)) +
    numbers.map((number) => fitRight(number, numberWidth)).join('');
  return restWidth > 0 ? `${text}  ${fitted(rest, restWidth)}` : text;
}

const numberWidth = 10;

function queueTable({ width, sample }: TopView): Table {
  return {
    head: row(width, 'QUEUE', ['WAITING', 'OLDEST', 'SCHEDULED', 'HELD']),
    rows: sample.queues.map(({ name, ready, oldest, scheduled, claimed }) => {
      const tones: Tone[] = oldest !== null && oldest > 60 ? ['yellow'] : [];
      const numbers = [shortCount(ready), shortTime(oldest), shortCount(scheduled), shortCount(claimed)];
      return [{ text: row(width, name, numbers), tones }];
    }),
    nothing: 'No queues.',
  };
}

function workerTable({ width, sample }: TopView): Table {
  const softwareWidth = width >= 120 ? 30 : 0;
  return {
    head: row(width, 'WORKER', ['RUNNING', 'DONE', 'DONE/S', 'LOAD'], 'SOFTWARE', softwareWidth),
    rows: sample.workers.map(({ name, alive, active, processed, perSecond, load, software }) => {
      const numbers = alive
        ? [shortCount(active), shortCount(processed), shortRate(perSecond), load[0]?.toFixed(2) ?? '-']
        : ['away', shortCount(processed), '-', '-'];
      return [{ text: row(width, name, numbers, software, softwareWidth), tones: alive ? [] : ['red'] }];
    }),
    nothing: 'No workers: start one with umbel worker.',
  };
}

function taskTable({ width, sample }: TopView): Table {
  return {
    head: row(width, 'TASK, LAST MINUTE', ['DONE', 'DONE/S', 'FAILED', 'RETRIED', 'MEAN']),
    rows: sample.tasks.map(({ name, succeeded, perSecond, failed, retried, runtime }) => {
      const numbers = [
        shortCount(succeeded),
        shortRate(perSecond),
        shortCount(failed),
        shortCount(retried),
        shortMean(runtime),
      ];
      return [{ text: row(width, name, numbers), tones: failed > 0 ? ['red'] : [] }];
    }),
    nothing: 'Nothing has ended within the last minute.',
  };
}

function shortMean(seconds: number | null): string {
  return seconds !== null && seconds < 1 ? `${Math.round(seconds * 1000)}ms` : shortTime(seconds);
}
