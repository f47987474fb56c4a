// A Redis server of our own for tests: on a free port of the loopback, with nothing kept from before.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why the tests with Redis cannot run here; undefined when they can. In CI they always must. */
export const noRedis: string | undefined = missing();

export class RedisServerProcess implements AsyncDisposable {
  readonly port: number;
  /** Where its files are. */
  readonly folder: string;
  readonly #command: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(port: number, options: readonly string[], command: readonly string[] | null = null) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'umbel-redis-'));
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    this.#command = command ?? [...fixed, ...options];
  }

  /** `options` as on the command line: `['--appendonly', 'yes']`. */
  static async start(...options: readonly string[]): Promise<RedisServerProcess> {
    const server = new RedisServerProcess(await freePort(), options);
    await server.start();
    return server;
  }

  /** A sentinel with this configuration, which it rewrites. */
  static async startSentinel(config: string, port: number): Promise<RedisServerProcess> {
    const server = new RedisServerProcess(
      port,
      [],
      [config, '--sentinel', '--port', String(port), '--bind', '127.0.0.1'],
    );
    await server.start();
    return server;
  }

  /** `redis://127.0.0.1:port/db` */
  url(db = 0): string {
    return `redis://127.0.0.1:${this.port}/${db}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const child = spawn('redis-server', this.#command, { stdio: 'ignore' });
    this.#child = child;
    for (let tries = 0; !(await answers(this.port)); tries++) {
      if (child.exitCode !== null || tries > 500) throw new Error('redis-server does not start');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Ends the process: SIGTERM writes its file if it has one, SIGKILL does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** One command by redis-cli, past all of our code; its answer as text. */
  cli(...args: readonly string[]): string {
    const run = spawnSync('redis-cli', ['-p', String(this.port), ...args], {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    });
    if (run.status !== 0) throw new Error(run.stderr || run.stdout);
    return run.stdout.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Whether a Redis there has loaded its data and answers. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.on('data', (data) => done(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.on('error', () => done(false));
  });
}

function missing(): string | undefined {
  if (spawnSync('redis-server', ['--version']).status === 0) return undefined;
  const why = 'no redis-server (apt-get install redis-server)';
  if (process.env.CI) throw new Error(why);
  return why;
}
