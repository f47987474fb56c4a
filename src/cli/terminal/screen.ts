// Uses the whole terminal as a screen, and restores it at the end, on a crash, and while the process is stopped.
import { emitKeypressEvents, type Key as Keypress } from 'node:readline';
import { unlessGone } from '../../lib/terminal-gone.ts';
import { UsageError } from '../usage.ts';
import { type Line, paint } from './text.ts';

/** A letter, or the name of a key: `up`, `pagedown`, `home`, `tab`, `enter`, `escape`, `backspace`, `ctrl-c` … */
export type Key = string;

interface ScreenOptions {
  readonly colors: boolean;
  onKey(key: Key): void;
  /** The screen must be drawn again: its size has changed, or the process continues. */
  onResize(): void;
}

const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l'; // the other buffer, no cursor, no wrapping
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l';

export class Screen implements Disposable {
  readonly #options: ScreenOptions;
  readonly #input: NodeJS.ReadStream = process.stdin;
  readonly #output: NodeJS.WriteStream = process.stdout;
  #drawn: readonly string[] = [];
  #open = false;

  /** @throws UsageError where there is no terminal */
  constructor(options: ScreenOptions) {
    if (!this.#input.isTTY || !this.#output.isTTY)
      throw new UsageError('this needs a terminal for its keys and screen');
    this.#options = options;
    process.on('exit', this.#restore);
    // Before Node prints the error, which would be lost in the alternate buffer.
    process.on('uncaughtExceptionMonitor', this.#restore);
    process.on('SIGCONT', this.#continue);
    this.#output.on('resize', this.#resized);
    emitKeypressEvents(this.#input);
    this.#input.on('keypress', this.#typed);
    this.#input.on('error', unlessGone); // never removed, since the error may come later
    this.#begin();
  }

  get width(): number {
    return Math.max(20, this.#output.columns || 80);
  }

  get height(): number {
    return Math.max(5, this.#output.rows || 24);
  }

  /** Shows lines. Only those that have changed are sent to the terminal. */
  draw(lines: readonly Line[]): void {
    if (!this.#open) return;
    const painted = lines.slice(0, this.height).map((line) => paint(line, this.#options.colors));
    let text = '';
    for (const [at, line] of painted.entries())
      if (line !== this.#drawn[at]) text += `\x1b[${at + 1};1H\x1b[0m${line}`;
    for (let at = painted.length; at < this.#drawn.length; at++) text += `\x1b[${at + 1};1H\x1b[2K`;
    this.#drawn = painted;
    if (text !== '') this.#output.write(`\x1b[?2026h${text}\x1b[?2026l`); // synchronized output, if the terminal supports it
  }

  bell(): void {
    this.#output.write('\x07');
  }

  /** Ctrl-Z: the shell has the terminal until `fg`. */
  suspend(): void {
    this.#restore();
    process.kill(process.pid, 'SIGTSTP');
  }

  [Symbol.dispose](): void {
    this.#restore();
    process.off('exit', this.#restore);
    process.off('uncaughtExceptionMonitor', this.#restore);
    process.off('SIGCONT', this.#continue);
    this.#output.off('resize', this.#resized);
    this.#input.off('keypress', this.#typed);
    this.#input.pause();
  }

  #begin(): void {
    this.#open = true;
    this.#drawn = [];
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#output.write(`${enter}\x1b[2J`);
  }

  readonly #restore = (): void => {
    if (!this.#open) return;
    this.#open = false;
    this.#output.write(leave);
    // If the terminal is gone, there is nothing to restore.
    try {
      this.#input.setRawMode(false);
    } catch {}
  };

  readonly #continue = (): void => {
    if (!this.#open) this.#begin();
    this.#options.onResize();
  };

  readonly #resized = (): void => {
    this.#drawn = [];
    this.#output.write('\x1b[2J');
    this.#options.onResize();
  };

  readonly #typed = (text: string | undefined, keypress: Keypress): void => {
    const key = keyOf(text, keypress);
    if (key !== null) this.#options.onKey(key);
  };
}

/** The key of a keypress; null: a key that no screen uses. */
export function keyOf(
  text: string | undefined,
  { name, ctrl = false, meta = false, sequence }: Keypress,
): Key | null {
  if (name === 'escape') return name;
  if (meta || sequence?.includes(';')) return null; // with Alt, or an arrow with Ctrl
  if (ctrl) return name === undefined ? null : `ctrl-${name}`;
  if (name === 'return') return 'enter';
  return text !== undefined && text >= ' ' && text !== '\x7f' ? text : (name ?? null);
}
