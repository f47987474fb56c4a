// The table of the comparison: what it has, and how it looks as text, which is Markdown, too.
import type { WayName } from '../ways/way.ts';

export type Unit = 'ms' | 'jobs' | 'times' | 'lines';

export interface Row {
  readonly question: string;
  readonly unit: Unit;
  /** What was measured; null: the way is not there. */
  readonly figures: Readonly<Record<WayName, number | null>>;
}

export interface Report {
  readonly at: string;
  /** What was measured on. */
  readonly conditions: string;
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
}

export const titles: Readonly<Record<WayName, string>> = {
  task: 'Task (Umbel)',
  message: 'Message (RabbitMQ)',
  call: 'Synchronous call',
};

/** As people read it: `0.31 s`, `3`. */
export function shown(figure: number | null, unit: Unit): string {
  if (figure === null) return '–';
  if (Number.isNaN(figure)) return 'never';
  if (unit !== 'ms') return String(figure);
  return figure < 100 ? `${figure.toPrecision(2)} ms` : `${(figure / 1000).toFixed(2)} s`;
}

export function markdown({ at, conditions, rows, notes }: Report): string {
  const ways = Object.keys(titles) as WayName[];
  const table = [
    ['', ...ways.map((way) => titles[way])],
    ...rows.map(({ question, unit, figures }) => [question, ...ways.map((way) => shown(figures[way], unit))]),
  ];
  const widths = ways.map((_, at) => Math.max(...table.map((row) => row[at + 1]?.length ?? 0)));
  const first = Math.max(...table.map(([question = '']) => question.length));
  const line = ([question = '', ...cells]: readonly string[]) =>
    `| ${question.padEnd(first)} | ${cells.map((cell, at) => cell.padStart(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = table;
  const rule = `|${'-'.repeat(first + 2)}|${widths.map((width) => `${'-'.repeat(width + 1)}:`).join('|')}|`;
  const remarks = notes.map((note) => `- ${note}`);
  return [
    `# Three ways to do a job`,
    '',
    `${at}. ${conditions}`,
    '',
    line(head),
    rule,
    ...body.map(line),
    '',
    ...remarks,
    '',
  ].join('\n');
}
