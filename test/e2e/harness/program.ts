// A real process under test: started, heard, signalled, and never left behind.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { patienceMs } from '../../until.ts';
import { root } from './built.ts';
import { commandOf } from './compiled.ts';
import type { Ledger } from './ledger.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Program implements AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #errors = '';
  #exit: Exit | null = null;

  /** Starts a program of `test/e2e/programs` (or any script of the repository) with these settings in its environment. */
  constructor(script: string, environment: Readonly<Record<string, string>>, args: readonly string[] = []) {
    const file = script.includes('/') ? script : join('test', 'e2e', 'programs', script);
    this.#child = spawn(process.execPath, [...commandOf(file), ...args], {
      cwd: root,
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...environment },
    });
    if (this.#child.pid === undefined) throw new Error(`cannot start ${file}`);
    this.pid = this.#child.pid;
    createInterface(this.#child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#news();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-20_000);
    });
    this.#child.stdin.on('error', () => {}); // a killed program reads no more
    this.exited = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
        this.#news();
      });
    });
  }

  /** The last of what it wrote to its error output. */
  get errors(): string {
    return this.#errors;
  }

  get isAlive(): boolean {
    return this.#exit === null;
  }

  /** What it has printed so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Resolves with the first line that begins like this, from line `from` on. Rejects when the program ends, or when patience does. */
  async line(beginning: string, from = 0, withinMs = patienceMs): Promise<string> {
    const late = AbortSignal.timeout(withinMs);
    for (;;) {
      const found = this.#lines.slice(from).find((line) => line.startsWith(beginning));
      if (found !== undefined) return found;
      if (this.#exit !== null || late.aborted) {
        const state = this.#exit === null ? 'runs on' : `ended with ${JSON.stringify(this.#exit)}`;
        throw new Error(`process ${this.pid} did not print '${beginning}' and ${state}:\n${this.#errors}`);
      }
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiting.delete(done);
          late.removeEventListener('abort', done);
          resolve();
        };
        this.#waiting.add(done);
        late.addEventListener('abort', done);
      });
    }
  }

  /** Tells the program something, as a line. */
  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it and writes the fault into the ledger when it is over. */
  async end(fault: 'kill' | 'term', ledger: Ledger): Promise<Exit> {
    const at = Date.now();
    this.signal(fault === 'kill' ? 'SIGKILL' : 'SIGTERM');
    const exit = await this.exited;
    ledger.write({ kind: 'fault', fault, pid: this.pid, at, until: Date.now() });
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGKILL');
    await this.exited;
  }

  #news(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
