// What commands print: people read tables and sentences, programs read `--json`.
import { inspect, styleText } from 'node:util';
import { cleanJson, cleanLines, cleanStyled } from './terminal/clean.ts';

/** The screen, and how to speak to it. */
export interface Output {
  /** Whether `--json` was given: then `print` of a value is the only thing on stdout. */
  readonly json: boolean;
  readonly colors: boolean;
  /** A line for people, on stdout; nothing with `--json`. */
  say(line: string): void;
  /** A line for people on stderr, also with `--json`. */
  note(line: string): void;
  /** A value for programs; nothing without `--json`. */
  data(value: unknown): void;
  /** Rows for people; nothing with `--json`. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): Promise<void>;
  bold(text: string): string;
  dim(text: string): string;
}

export function createOutput(options: { readonly json?: boolean; readonly color?: boolean }): Output {
  const json = options.json ?? false;
  const colors = options.color !== false && wantsColors(process.stdout);
  const style = (format: 'bold' | 'dim', text: string): string =>
    colors ? styleText(format, text, { validateStream: false }) : text;
  // Whatever is said may hold what somebody else wrote.
  const cleaned = colors ? cleanStyled : cleanLines;
  return {
    json,
    colors,
    say: (line) => void (json || process.stdout.write(`${cleaned(line)}\n`)),
    note: (line) => void process.stderr.write(`${cleaned(line)}\n`),
    data: (value) => void (json && process.stdout.write(`${cleanJson(toJson(value))}\n`)),
    async table(head, rows) {
      if (json) return;
      const { default: Table } = await import('cli-table3');
      const table = new Table({
        head: [...head],
        style: { head: colors ? ['bold'] : [], border: colors ? ['gray'] : [], compact: true },
      });
      const safe = rows.map((row) => row.map(cleaned));
      const fitting = await fittingRows(head, safe, process.stdout.isTTY ? process.stdout.columns : null);
      for (const row of fitting) table.push([...row]);
      process.stdout.write(`${table.toString()}\n`);
    },
    bold: (text) => style('bold', text),
    dim: (text) => style('dim', text),
  };
}

/** Rows whose table is not wider than the terminal: the widest columns are cut. `width` null: as wide as it is. */
export async function fittingRows(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number | null,
): Promise<readonly (readonly string[])[]> {
  if (width === null || width <= 0) return rows;
  const { fitted, widthOf } = await import('./terminal/text.ts');
  const lines = (cell: string): readonly string[] => cell.split('\n');
  const widest = (cell: string): number => Math.max(...lines(cell).map(widthOf));
  const widths = head.map((title, at) =>
    Math.max(widthOf(title), ...rows.map((row) => widest(row[at] ?? ''))),
  );
  // A border, and a space on both sides of each cell.
  const room = Math.max(head.length * narrowest, width - 3 * head.length - 1);
  for (let total = widths.reduce((sum, each) => sum + each, 0); total > room; total--) {
    const at = widths.indexOf(Math.max(...widths));
    widths[at] = Math.max(1, (widths[at] ?? 1) - 1);
  }
  const cut = (line: string, most: number): string =>
    widthOf(line) <= most ? line : fitted(line, most).trimEnd();
  return rows.map((row) =>
    row.map((cell, at) =>
      lines(cell)
        .map((line) => cut(line, widths[at] ?? narrowest))
        .join('\n'),
    ),
  );
}

/** A column keeps at least so many cells. */
const narrowest = 8;

/** A terminal, unless NO_COLOR says no; FORCE_COLOR says yes to a pipe, too. */
export function wantsColors(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0';
  return stream.isTTY === true && TERM !== 'dumb';
}

/** A value as JSON: what JSON cannot say (bytes, integers beyond 2^53, NaN) as text or null. */
function toJson(value: unknown): string {
  const replace = (_: string, item: unknown): unknown => {
    if (typeof item === 'bigint') return item.toString();
    if (item instanceof Uint8Array) return Buffer.from(item).toString('base64');
    return item;
  };
  return JSON.stringify(value === undefined ? null : value, replace);
}

/** A value for people: text as it is, all else as JavaScript writes it. */
export function shown(value: unknown, colors = false): string {
  if (typeof value === 'string') return value;
  return inspect(value, {
    depth: 10,
    colors,
    breakLength: 100,
    maxArrayLength: 200,
    maxStringLength: 10_000,
  });
}

/** `1 task`, `2 tasks`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
