// A Redis server for tests, on a free port of the loopback: databases of the one that the run shares, or, for tests that harm or
// configure a server, one of their own with nothing kept from before.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kind, partOf } from './shared.ts';

/** Why the tests with Redis cannot run here; undefined when they can. In CI they always must. */
export const noRedis: string | undefined = missing();

/** So many databases of the shared server go to one holder. */
const share = 16;
/** More than all test files of a run take. */
const shares = 1000;

/** What a holder of databases of the shared server is told. */
interface Part {
  readonly port: number;
  readonly firstDb: number;
}

export class RedisServerProcess implements AsyncDisposable {
  /** How the run's leader starts the shared server. */
  static readonly sharing: Kind = {
    async start() {
      const server = await RedisServerProcess.start('--databases', String(share * shares));
      let given = 0;
      return {
        part: async () => ({ port: server.port, firstDb: share * given++ }) satisfies Part,
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  };

  readonly port: number;
  /** Where its files are. */
  readonly folder: string;
  readonly #command: readonly string[];
  /** Of the databases that {@link url} counts from 0; null when the server is its own. */
  readonly #firstDb: number | null;
  #child: ChildProcess | null = null;

  private constructor(
    port: number,
    options: readonly string[],
    command: readonly string[] | null = null,
    firstDb: number | null = null,
  ) {
    this.port = port;
    this.#firstDb = firstDb;
    this.folder = firstDb === null ? mkdtempSync(join(tmpdir(), 'umbel-redis-')) : '';
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    this.#command = command ?? [...fixed, ...options];
  }

  /**
   * Sixteen empty databases of the server that all test files of a run share. Commands that concern the whole server
   * (CONFIG, CLIENT KILL, INFO, FLUSHALL …) are for servers of one's own.
   */
  static async shared(): Promise<RedisServerProcess> {
    const { port, firstDb } = (await partOf('redis')) as Part; // as `sharing` gives it
    return new RedisServerProcess(port, [], [], firstDb);
  }

  /** A server of its own. `options` as on the command line: `['--appendonly', 'yes']`. */
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

  /** `redis://127.0.0.1:port/db`, its databases counted from 0. */
  url(db = 0): string {
    return `redis://127.0.0.1:${this.port}/${this.db(db)}`;
  }

  /** The server's own number of this database. */
  db(db = 0): number {
    if (this.#firstDb !== null && db >= share) throw new RangeError(`a share has ${share} databases`);
    return (this.#firstDb ?? 0) + db;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    this.#mustBeOwn();
    const child = spawn('redis-server', this.#command, { stdio: 'ignore' });
    this.#child = child;
    for (let tries = 0; !(await answers(this.port)); tries++) {
      if (child.exitCode !== null || tries > 500) throw new Error('redis-server does not start');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Ends the process: SIGTERM writes its file if it has one, SIGKILL does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#mustBeOwn();
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  signal(signal: NodeJS.Signals): void {
    this.#mustBeOwn();
    this.#child?.kill(signal);
  }

  /** One command by redis-cli on its first database, past all of our code; its answer as text. */
  cli(...args: readonly string[]): string {
    if (wholeServer.test(args[0] ?? '')) this.#mustBeOwn();
    const run = spawnSync('redis-cli', ['-p', String(this.port), '-n', String(this.db()), ...args], {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    });
    if (run.status !== 0) throw new Error(run.stderr || run.stdout);
    return run.stdout.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#firstDb !== null) return; // the run's leader stops it
    await this.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  #mustBeOwn(): void {
    if (this.#firstDb !== null)
      throw new Error(
        'this server is shared with other tests: RedisServerProcess.start() makes one of your own',
      );
  }
}

/** Commands that concern all databases of a server, or say something of all. */
const wholeServer =
  /^(?:config|client|info|flushall|shutdown|debug|script|function|replicaof|failover|cluster|acl|swapdb|pubsub)$/i;

/**
 * A port on which nobody listens, and that the system gives to no outgoing connection (Linux does so from 32768 on): one of these could take
 * it while its server restarts, even a client's that connects to the very port, and the server would not start again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
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
