// The table of a run.
import type { Cycled } from './cycle.ts';

const columns: readonly [string, number, (row: Cycled) => string | number][] = [
  ['place', -9, ({ place }) => place],
  ['pool', -10, ({ pool }) => pool],
  ['point', -18, ({ point }) => point],
  ['kills', 6, ({ kills }) => kills],
  ['sent', 6, ({ counts }) => counts.acknowledged],
  ['cut off', 8, ({ counts }) => counts.interrupted],
  ['again', 6, ({ repeats }) => repeats],
  ['lost', 5, ({ report }) => report.lost.length + report.stuck.length],
  ['unexp.', 7, ({ report }) => report.unexpected.length],
  ['twice', 6, ({ report }) => report.finishedTwice.length],
  ['extra', 6, ({ report }) => report.unexplained.length + report.overBound.length],
  ['restart', 9, ({ counts }) => `${(counts.slowestRestartMs / 1000).toFixed(1)} s`],
  ['took', 8, ({ seconds }) => `${seconds.toFixed(1)} s`],
  ['', 7, ({ wrong }) => (wrong.length === 0 ? 'ok' : 'WRONG')],
];

export const title: string = columns.map(([name, width]) => pad(name, width)).join('');

export function line(row: Cycled): string {
  return columns.map(([, width, show]) => pad(String(show(row)), width)).join('');
}

/** All rows as one. */
export function sum(rows: readonly Cycled[]): string {
  const total = (value: (row: Cycled) => number): number => rows.reduce((all, row) => all + value(row), 0);
  const points = new Set(rows.map(({ point }) => point)).size;
  return [
    `${points} points, ${total(({ kills }) => kills)} kills, ${total(({ counts }) => counts.acknowledged)} tasks,`,
    `${total(({ counts }) => counts.interrupted)} runs cut off, ${total(({ repeats }) => repeats)} begun again:`,
    `lost ${total(({ report }) => report.lost.length)}, stuck ${total(({ report }) => report.stuck.length)},`,
    `unexpected ${total(({ report }) => report.unexpected.length)}, finished twice ${total(({ report }) => report.finishedTwice.length)},`,
    `repeats that no kill explains ${total(({ report }) => report.unexplained.length)},`,
    `slowest restart ${(Math.max(0, ...rows.map(({ counts }) => counts.slowestRestartMs)) / 1000).toFixed(1)} s;`,
    `${rows.filter(({ wrong }) => wrong.length > 0).length} of ${rows.length} trials with a finding`,
  ].join(' ');
}

function pad(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width + 1) : text.padStart(width);
}
