// Runs the built command in a project of its own: within this process, or, where that matters, as users do, in one of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { root } from '../e2e/harness/built.ts';
import { patienceMs, until } from '../until.ts';
import { command, openApp, type Place, projects, runInProcess, withoutWaits } from './in-process.ts';

export { command };

/** A folder with the given files in which `umbel` is installed; deleted after the test. */
export function project(
  files: Readonly<Record<string, string>>,
  manifest: object = { type: 'module' },
): string {
  const folder = mkdtempSync(projects);
  onTestFinished(async () => {
    // A process in the background, or a child of one that was killed, would make again what is deleted under it.
    await until(
      () => processesIn(folder).length === 0,
      () => `the end of ${processesIn(folder)} in ${folder}`,
    );
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'umbel'), 'dir');
  for (const [path, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Those whose working directory this is, or lies in it. Linux shows them; elsewhere there are none. */
function processesIn(folder: string): readonly string[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc').filter((pid) => {
    try {
      return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`);
    } catch {
      return false; // no process, or it has ended
    }
  });
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

/**
 * Runs `umbel` with these arguments to its end, within this process: one command at a time. TypeScript is left to a process of its own, as
 * it is compiled by hooks that stay.
 */
export async function umbel(
  folder: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  if (['umbel.config.ts', ...args].some((path) => isTypeScript(folder, path)))
    return umbelProcess(folder, args, options);
  return { ...(await runInProcess(place(folder, options), args)), signal: null };
}

/** As {@link umbel}, in a process of its own: for what is of the process. */
export function umbelProcess(
  folder: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  return start(folder, args, options).ended;
}

function isTypeScript(folder: string, path: string): boolean {
  return /\.[cm]?ts$/.test(path) && existsSync(join(folder, path));
}

// Before a command within this process changes it.
const { NO_COLOR: _, FORCE_COLOR: __, PORT: ___, ...ours } = process.env;

/** Where a program that is started by hand is. */
function place(folder: string, { env }: RunOptions = {}): Place {
  return { folder: resolve(root, folder), env: { ...ours, ...env } };
}

/** A worker of `./app.js` within this process, for commands that need one; stopped after the test. */
export async function workerOf(
  folder: string,
  options: WorkerOptions = {},
  run: RunOptions = {},
): Promise<Worker> {
  // By its whole path: this process is elsewhere when the command line is not at work.
  const env = { UMBEL_BROKER_URL: `sqlite://${join(folder, '.umbel', 'store.db')}`, ...run.env };
  const app = await openApp(place(folder, { env }), './app.js');
  const worker = new Worker(app, options);
  onTestFinished(async () => {
    await worker.stop({ cold: true });
    await app.close();
  });
  await worker.start();
  return worker;
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
  #isOver = false;
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], folder: string, options: RunOptions = {}) {
    const { folder: cwd, env } = place(folder, options);
    this.child = spawn(process.execPath, args, {
      cwd,
      env,
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
        this.#isOver = true;
        resolve({ code, signal, stdout: this.stdout, stderr: withoutWaits(this.stderr) });
        this.#changed();
      });
    });
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.ended;
    });
  }

  /** Waits until its output matches, `times` times. Fails when it ends without. */
  async said(pattern: RegExp, times = 1): Promise<void> {
    const every = new RegExp(pattern, `${pattern.flags.replace('g', '')}g`);
    const isSaid = (): boolean => [...(this.stdout + this.stderr).matchAll(every)].length >= times;
    const silent = (why: string): Error =>
      new Error(`${why} and never said ${pattern}; it said:\n${this.stdout}\n${this.stderr}`);
    const late = performance.now() + patienceMs;
    while (!isSaid()) {
      if (this.#isOver) throw silent('the program ended');
      if (performance.now() > late) throw silent(`the program ran for ${patienceMs / 1000} s`);
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
