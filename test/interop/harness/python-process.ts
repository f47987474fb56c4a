// A process of Debian's Python with the interop application in reach: its output is kept, and it is never left behind.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { patienceMs } from '../../until.ts';

/** Debian's, which has Debian's Celery, or the one of an environment with another Celery: `INTEROP_PYTHON=…/bin/python`. */
const python = process.env.INTEROP_PYTHON ?? '/usr/bin/python3';
const folder = fileURLToPath(new URL('../../fixtures/python', import.meta.url));

/** Celery settings, in Celery's names. */
export type CelerySettings = Readonly<Record<string, unknown>>;

export interface PythonOptions {
  readonly settings: CelerySettings;
  /** Where counted tasks write down their runs. */
  readonly ledgers?: string;
}

export class PythonProcess implements AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #what: string;
  #alive = true;
  #log = '';
  #written = 0;
  #taker: ((line: string | null) => void) | null = null;
  readonly #lines: string[] = [];

  constructor(what: string, args: readonly string[], { settings, ledgers }: PythonOptions) {
    this.#what = what;
    const child = spawn(python, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        PYTHONPATH: folder,
        PYTHONDONTWRITEBYTECODE: '1',
        PYTHONUNBUFFERED: '1',
        LANG: 'C.UTF-8',
        INTEROP_CONFIG: JSON.stringify(settings),
        ...(ledgers === undefined ? {} : { INTEROP_LEDGERS: ledgers }),
      },
    });
    if (child.pid === undefined) throw new Error(`cannot start ${python}`);
    this.pid = child.pid;
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      this.#written += text.length;
      this.#log = (this.#log + text).slice(-100_000);
    });
    child.stdin.on('error', () => {}); // a killed process reads no more
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#hand();
    });
    this.exited = new Promise((resolve) => {
      child.on('close', () => {
        this.#alive = false;
        resolve();
        this.#hand();
      });
    });
  }

  /** What it wrote to its error output: a worker's log. */
  get log(): string {
    return this.#log;
  }

  /** How many characters it wrote there: see {@link since}. */
  get written(): number {
    return this.#written;
  }

  /** What it wrote there after so many characters. */
  since(written: number): string {
    return written === this.#written ? '' : this.#log.slice(written - this.#written);
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** The next line of its output. One asker at a time. (What it was asked may have a deadline of its own, and says more then.) */
  async line(withinMs = 1.25 * patienceMs): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const line = await new Promise<string | null>((resolve) => {
      timer = setTimeout(() => resolve(null), withinMs);
      this.#taker = resolve;
      this.#hand();
    });
    clearTimeout(timer);
    this.#taker = null;
    if (line !== null) return line;
    throw new Error(
      `${this.#what} ${this.#alive ? `says nothing for ${withinMs} ms` : 'has ended'}:\n${this.#log}`,
    );
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to end, and insists when it does not. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.signal(signal);
    const late = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    await this.exited;
    clearTimeout(late);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }

  #hand(): void {
    const taker = this.#taker;
    if (taker === null || (this.#lines.length === 0 && this.#alive)) return;
    this.#taker = null; // a chunk brings several lines: the next is for the next asker
    taker(this.#lines.shift() ?? null);
  }
}
