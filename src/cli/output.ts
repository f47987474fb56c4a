// The output of commands: tables and sentences for people, `--json` for programs.
import { inspect, styleText } from 'node:util';
import { cleanJson, cleanLines, cleanStyled } from './terminal/clean.ts';

/** Prints to the terminal. */
export interface Output {
  /** Whether `--json` was given: then only `data` writes to stdout. */
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
  // Lines may contain text that strangers wrote.
  const cleaned = colors ? cleanStyled : cleanLines;
  return {
    json,
    colors,
    say: (line) => void (json || process.stdout.write(`${cleaned(line)}\n`)),
    note: (line) => void process.stderr.write(`${cleaned(line)}\n`),
    data: (value) => void (json && process.stdout.write(`${cleanJson(toJson(value))}\n`)),
    async table(head, rows) {
      if (json) return;
      const { drawTable } = await import('./terminal/table.ts');
      const safe = rows.map((row) => row.map(cleaned));
      const width = process.stdout.isTTY ? process.stdout.columns : null;
      process.stdout.write(`${drawTable(head, safe, { width, colors })}\n`);
    },
    bold: (text) => style('bold', text),
    dim: (text) => style('dim', text),
  };
}

/** Colours are for terminals. NO_COLOR turns them off, FORCE_COLOR turns them on in a pipe, too. */
export function wantsColors(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0';
  return stream.isTTY === true && TERM !== 'dumb';
}

/** A value as JSON. Bytes, integers beyond 2^53 and NaN, which JSON lacks, become text or null. */
function toJson(value: unknown): string {
  const replace = (_: string, item: unknown): unknown => {
    if (typeof item === 'bigint') return item.toString();
    if (item instanceof Uint8Array) return Buffer.from(item).toString('base64');
    return item;
  };
  return JSON.stringify(value === undefined ? null : value, replace);
}

/** A value for people: text as it is, other values as JavaScript shows them. */
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
