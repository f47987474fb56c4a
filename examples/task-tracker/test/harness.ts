// The application as its users run it: its programs as processes, on a folder of their own, with a mail catcher in this one.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Catcher, startCatcher } from '../dev/catcher.ts';

const here = fileURLToPath(new URL('..', import.meta.url));
const umbel = join(
  dirname(createRequire(import.meta.url).resolve('umbel/package.json')),
  'dist',
  'cli',
  'main.js',
);
const commands = {
  web: ['--import', 'tsx', 'server/main.ts'],
  seeded: ['--import', 'tsx', 'dev/seed.ts'], // a web server, and sample data
  worker: [umbel, '-A', './server/app.ts', 'worker', '-q', '-l', 'info'],
  beat: [umbel, '-A', './server/app.ts', 'beat', '-q'],
};
export type Program = keyof typeof commands;

export class Tracker implements AsyncDisposable {
  readonly catcher: Catcher;
  readonly #folder = mkdtempSync(join(tmpdir(), 'task-tracker-'));
  readonly #programs = new Map<Program, ChildProcess>();
  said = '';
  /** Of the web server; the same after a restart. */
  port = 0;

  private constructor(catcher: Catcher) {
    this.catcher = catcher;
  }

  static async start(...programs: readonly Program[]): Promise<Tracker> {
    const tracker = new Tracker(await startCatcher({ smtp: 0, pages: 0 }));
    for (const program of programs) await tracker.start(program);
    return tracker;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when a web server listens; others may still be starting. */
  async start(program: Program): Promise<void> {
    const child = spawn(process.execPath, commands[program], {
      cwd: here,
      env: {
        ...process.env,
        DATA: this.#folder,
        PORT: String(this.port),
        SMTP_URL: `smtp://127.0.0.1:${this.catcher.smtpPort}`,
        CORS_ORIGINS: 'https://app.example',
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.said += text;
      });
    this.#programs.set(program, child);
    if (program !== 'web' && program !== 'seeded') return;
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error(`the web server ended:\n${this.said}`))),
    ]);
    this.port = message.port;
  }

  /** The output of a command of `umbel` beside the programs; also that of a doctor who has found something, and ends with 1. */
  async umbel(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, DATA: this.#folder };
    const command = [umbel, '-A', './server/app.ts', ...args];
    const run = promisify(execFile)(process.execPath, command, { cwd: here, env });
    const { stdout } = await run.catch((error) => (error.stdout ? error : Promise.reject(error)));
    return stdout;
  }

  /** SIGKILL: nothing of it is left, and nothing was tidied up. */
  async kill(program: Program): Promise<void> {
    const child = this.#programs.get(program);
    this.#programs.delete(program);
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#programs.values()].map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }),
    );
    await this.catcher.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Someone who uses the API. */
export class Client {
  readonly #url: () => string;
  #token = '';

  constructor(url: () => string) {
    this.#url = url;
  }

  async register(email = `user${Math.random()}@example.com`): Promise<void> {
    const account = { email, name: 'Test', password: 'a long password', timezone: 'Asia/Tokyo' };
    const { body } = await this.ask('POST', '/auth/register', account);
    this.#token = body.token;
  }

  async login(account: { readonly email: string; readonly password: string }): Promise<void> {
    this.#token = (await this.ask('POST', '/auth/login', account)).body.token;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test looks at what came
  async ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: any }> {
    const response = await fetch(`${this.#url()}${path}`, {
      method,
      headers: {
        ...(this.#token !== '' && { authorization: `Bearer ${this.#token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }
}

/** Waits until the condition holds; after a minute it fails with `what`. */
export async function until(condition: () => unknown, what: () => string): Promise<void> {
  const late = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > late) throw new Error(`waited a minute for: ${what()}`);
    await sleep(20);
  }
}

export const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
