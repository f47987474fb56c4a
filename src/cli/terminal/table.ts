// A table with borders, whose cells may have several lines.
import { styleText } from 'node:util';
import { fitted, widthOf } from './text.ts';

interface TableLooks {
  /** The width of the terminal; null: the table is not limited. */
  readonly width: number | null;
  readonly colors: boolean;
}

/** The table as text, without a line break at its end. */
export function drawTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width, colors }: TableLooks,
): string {
  const cells = fittingRows(head, rows, width);
  const widths = head.map((title, at) =>
    Math.max(widthOf(title), ...cells.map((row) => widest(row[at] ?? ''))),
  );
  const style = (format: 'bold' | 'gray', text: string): string =>
    colors ? styleText(format, text, { validateStream: false }) : text;
  const border = (left: string, middle: string, right: string): string =>
    style('gray', left + widths.map((each) => '─'.repeat(each + 2)).join(middle) + right);
  const bar = style('gray', '│');
  const line = (row: readonly string[]): string =>
    bar + row.map((cell, at) => ` ${padded(cell, widths[at] ?? 0)} `).join(bar) + bar;
  return [
    border('┌', '┬', '┐'),
    line(head.map((title) => (title === '' ? '' : style('bold', title)))),
    border('├', '┼', '┤'),
    ...cells.flatMap((row) => linesOf(row, head.length).map(line)),
    border('└', '┴', '┘'),
  ].join('\n');
}

/** The lines of a row's cells, side by side. */
function linesOf(row: readonly string[], columns: number): readonly (readonly string[])[] {
  const cells = Array.from({ length: columns }, (_, at) => (row[at] ?? '').split('\n'));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) => cells.map((lines) => lines[at] ?? ''));
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

function widest(cell: string): number {
  return Math.max(...cell.split('\n').map(widthOf));
}

/** The rows, with the widest columns cut so that the table fits into the terminal. `width` null: nothing is cut. */
export function fittingRows(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number | null,
): readonly (readonly string[])[] {
  if (width === null || width <= 0) return rows;
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
      cell
        .split('\n')
        .map((line) => cut(line, widths[at] ?? narrowest))
        .join('\n'),
    ),
  );
}

/** Smallest width of a column that is cut, in cells. */
const narrowest = 8;
