// Text that fits into cells of a terminal.
import { styleText } from 'node:util';
import stringWidth from 'string-width';

export type Tone = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'magenta' | 'cyan' | 'inverse' | 'underline';

/** A piece of a line. */
export interface Span {
  readonly text: string;
  readonly tones?: readonly Tone[];
}

export type Line = readonly Span[];

const graphemes: Intl.Segmenter = new Intl.Segmenter();
const plainText = /^[\x20-\x7e]*$/;
// Control characters, characters that change the direction of text, and characters without a cell of their own.
const controls = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text with its control characters replaced by `?`, so that the arguments of a task cannot control the terminal. */
export function clean(text: string): string {
  return plainText.test(text) ? text : text.replace(controls, '?');
}

/** The width of a text, in cells. */
export function widthOf(text: string): number {
  return plainText.test(text) ? text.length : stringWidth(text);
}

/** A text in exactly `width` cells: cut with `…`, or filled with spaces. The text may contain any characters. */
export function fitted(text: string, width: number): string {
  if (width <= 0) return '';
  const cleaned = clean(text.length > 8 * width + 64 ? text.slice(0, 8 * width + 64) : text);
  const needed = widthOf(cleaned);
  if (needed <= width) return cleaned + ' '.repeat(width - needed);
  if (plainText.test(cleaned)) return `${cleaned.slice(0, width - 1)}…`;
  let cut = '';
  let used = 0;
  for (const { segment } of graphemes.segment(cleaned)) {
    const cells = widthOf(segment);
    if (used + cells > width - 1) break;
    cut += segment;
    used += cells;
  }
  return `${cut}…${' '.repeat(width - 1 - used)}`;
}

/** Like `fitted`, aligned to the right, for numbers. */
export function fitRight(text: string, width: number): string {
  const kept = fitted(text, width).trimEnd();
  return ' '.repeat(Math.max(0, width - widthOf(kept))) + kept;
}

/** A line of exactly `width` cells. */
export function fitLine(spans: Line, width: number): Line {
  const line: Span[] = [];
  let left = width;
  for (const { text, tones } of spans) {
    if (left <= 0) break;
    const cleaned = clean(text);
    const whole = widthOf(cleaned);
    const shown = whole <= left ? cleaned : fitted(text, left);
    left -= Math.min(whole, left);
    line.push({ text: shown, ...(tones && { tones }) });
  }
  if (left > 0) line.push({ text: ' '.repeat(left) });
  return line;
}

/** Lines of at most `width` cells each, broken at spaces where there are any. Line breaks of the text stay. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.replace(/\t/g, '    ').split(/\r?\n/)) {
    let rest = clean(paragraph);
    while (widthOf(rest) > width) {
      const head = headOf(rest, width);
      const space = head.lastIndexOf(' ');
      const at = space > width / 2 ? space + 1 : head.length;
      lines.push(rest.slice(0, at).trimEnd());
      rest = rest.slice(at);
    }
    lines.push(rest);
  }
  return lines;
}

/** The longest beginning that fits, and at least one character. */
function headOf(text: string, width: number): string {
  let head = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text.slice(0, 8 * width + 64))) {
    used += widthOf(segment);
    if (head !== '' && used > width) break;
    head += segment;
  }
  return head;
}

/** The line as text for the terminal. */
export function paint(line: Line, colors: boolean): string {
  if (!colors) return line.map(({ text }) => text).join('');
  return line
    .map(({ text, tones }) =>
      tones === undefined || tones.length === 0
        ? text
        : styleText([...tones], text, { validateStream: false }),
    )
    .join('');
}

/** The line without tones. */
export function plain(line: Line): string {
  return paint(line, false);
}
