// Runs the built command as users do: a process of its own, in a project of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { root } from '../e2e/harness/built.ts';

export const command: string = join(root, 'dist', 'cli', 'main.js');

/** A folder with the given files in which `umbel` is installed; deleted after the test. */
export function project(
  files: Readonly<Record<string, string>>,
  manifest: object = { type: 'module' },
): string {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'umbel'), 'dir');
  for (const [path, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** An application with a few small tasks, on the folder's embedded store. */
export const shop = `
import { App } from 'umbel';
export const app = new App('shop');
app.task('shop.add', (x, y) => x + y);
app.task('shop.fail', (why) => { throw new TypeError(why); });
app.task('shop.log', { bind: true }, (task) => { task.logger.info({ extra: 1 }, 'inside'); return 'logged'; });
app.task('shop.slow', async (seconds) => {
  console.log('slow begins');
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return 'slow ended';
});
`;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `umbel` with these arguments to its end. */
export async function umbel(
  folder: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  return new Program([command, ...args], folder, options).ended;
}

/** Starts `umbel`; killed after the test if it is still there. */
export function start(folder: string, args: readonly string[], options: RunOptions = {}): Program {
  return new Program([command, ...args], folder, options);
}

/** Starts a worker of `./app.js` and waits until it takes messages. */
export async function startWorker(folder: string, ...args: readonly string[]): Promise<Program> {
  const worker = start(folder, ['-A', './app.js', 'worker', '--log-format', 'json', ...args]);
  await worker.said(/ready/);
  return worker;
}

/** A running Node program and what it has said. */
export class Program {
  readonly child: ChildProcess;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], folder: string, options: RunOptions = {}) {
    const { NO_COLOR: _, FORCE_COLOR: __, PORT: ___, ...env } = process.env;
    this.child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#changed();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#changed();
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
        this.#changed();
      });
    });
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.ended;
    });
  }

  /** Waits until its output matches, `times` times. Fails when it ends without, or after 15 s. */
  async said(pattern: RegExp, times = 1): Promise<void> {
    const found = (): boolean => {
      const matches = (this.stdout + this.stderr).matchAll(
        new RegExp(pattern, `${pattern.flags.replace('g', '')}g`),
      );
      return [...matches].length >= times;
    };
    const deadline = Date.now() + 15_000;
    while (!found()) {
      const isOver = this.child.exitCode !== null || this.child.signalCode !== null || Date.now() > deadline;
      if (isOver) throw new Error(`never said ${pattern}; it said:\n${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
