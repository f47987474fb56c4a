// A PostgreSQL server for tests, on a free port of the loopback: a database of the one that the run shares, or, for tests that harm
// or configure a server, a new cluster of their own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Client } from 'pg';
import { freePort } from './redis.ts';
import { type Kind, partOf } from './shared.ts';

const home = '/usr/lib/postgresql';
/** Where the server's programs are: on PATH, or where Debian keeps them. */
const folder: string | undefined = [
  ...(process.env.PATH ?? '').split(delimiter),
  ...(existsSync(home) ? readdirSync(home) : [])
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(home, version, 'bin')),
].find((each) => existsSync(join(each, 'initdb')) && existsSync(join(each, 'postgres')));

/** The server refuses to run as root. */
const owner: readonly number[] | null = process.getuid?.() === 0 ? idsOf('postgres') : [];

/** Why the tests with PostgreSQL cannot run here; undefined when they can. In CI they always must. */
export const noPostgres: string | undefined = missing();

export interface PostgresOptions {
  /** Lines of postgresql.conf: `max_connections = 20`. */
  readonly settings?: readonly string[];
  readonly password?: string;
  /** initdb's `--encoding`. */
  readonly encoding?: string;
  /** Files of a certificate and its key. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** The database of a server that is not shared. */
const own = 'postgres';

/** What a holder of a database of the shared server is told. */
interface Part {
  readonly port: number;
  readonly database: string;
}

export class PostgresServerProcess implements AsyncDisposable {
  /** How the run's leader starts the shared server. */
  static readonly sharing: Kind = {
    async start() {
      const server = await PostgresServerProcess.start({ settings: ['max_connections = 300'] });
      let given = 0;
      return {
        async part() {
          const database = `part_${++given}`;
          await server.sql(`CREATE DATABASE ${database}`);
          return { port: server.port, database } satisfies Part;
        },
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  };

  readonly port: number;
  readonly folder: string;
  readonly #password: string | null;
  readonly #database: string;
  #child: ChildProcess | null = null;

  private constructor(port: number, folder: string, password: string | null, database = own) {
    this.port = port;
    this.folder = folder;
    this.#password = password;
    this.#database = database;
  }

  /** An empty database of the server that all test files of a run share. */
  static async shared(): Promise<PostgresServerProcess> {
    const { port, database } = (await partOf('postgres')) as Part; // as `sharing` gives it
    return new PostgresServerProcess(port, '', null, database);
  }

  /** A server of its own. */
  static async start(options: PostgresOptions = {}): Promise<PostgresServerProcess> {
    const place = mkdtempSync(join(tmpdir(), 'umbel-postgres-'));
    const [uid, gid] = owner ?? [];
    if (uid !== undefined && gid !== undefined) chownSync(place, uid, gid);
    chmodSync(place, 0o700);
    const data = join(place, 'data');
    const encoding = options.encoding ?? 'UTF8';
    const made = spawnSync(
      program('initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', encoding, '--locale=C', '--no-sync'],
      { encoding: 'utf8', ...asOwner(place) },
    );
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
    const port = await freePort();
    const settings = [
      `port = ${port}`,
      `listen_addresses = '127.0.0.1'`,
      `unix_socket_directories = ''`,
      'fsync = off',
      'shared_buffers = 16MB',
      ...(options.settings ?? []),
    ];
    if (options.tls !== undefined) {
      for (const [from, to] of [
        [options.tls.cert, 'server.crt'],
        [options.tls.key, 'server.key'],
      ] as const) {
        const copy = join(data, to);
        copyFileSync(from, copy);
        chmodSync(copy, 0o600);
        if (uid !== undefined && gid !== undefined) chownSync(copy, uid, gid);
      }
      settings.push('ssl = on');
    }
    appendFileSync(join(data, 'postgresql.conf'), `${settings.join('\n')}\n`);
    const server = new PostgresServerProcess(port, place, options.password ?? null);
    await server.start();
    if (options.password !== undefined) {
      await server.sql(`ALTER USER postgres PASSWORD '${options.password}'`);
      await server.stop();
      const rules = join(data, 'pg_hba.conf');
      rmSync(rules);
      appendFileSync(rules, 'host all all 127.0.0.1/32 scram-sha-256\n');
      if (uid !== undefined && gid !== undefined) chownSync(rules, uid, gid);
      await server.start();
    }
    return server;
  }

  /** `postgresql://postgres@127.0.0.1:port/database`, with its password if it has one. */
  url(query = ''): string {
    const password = this.#password === null ? '' : `:${encodeURIComponent(this.#password)}`;
    return `postgresql://postgres${password}@127.0.0.1:${this.port}/${this.#database}${query}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Also again, with what was written. */
  async start(): Promise<void> {
    this.#mustBeOwn();
    const child = spawn(program('postgres'), ['-D', join(this.folder, 'data')], {
      stdio: 'ignore',
      ...asOwner(this.folder),
    });
    this.#child = child;
    for (let tries = 0; !(await this.#answers()); tries++) {
      if (child.exitCode !== null || tries > 1000) throw new Error('postgres does not start');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** SIGINT ends the connections and then the server ("fast"); SIGKILL is a crash. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
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

  /** Statements past all of our code; the rows of the last. */
  async sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: this.url() });
    await client.connect();
    try {
      return (await client.query(text, values)).rows ?? [];
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database !== own) return; // the run's leader stops it
    // SIGKILL would leave its processes to find out by themselves.
    await this.stop('SIGQUIT');
    rmSync(this.folder, { recursive: true, force: true });
  }

  #mustBeOwn(): void {
    if (this.#database !== own)
      throw new Error(
        'this server is shared with other tests: PostgresServerProcess.start() makes one of your own',
      );
  }

  async #answers(): Promise<boolean> {
    try {
      await this.sql('SELECT 1');
      return true;
    } catch {
      return false;
    }
  }
}

function program(name: string): string {
  return join(folder ?? '', name);
}

function asOwner(cwd: string): { cwd: string; uid?: number; gid?: number } {
  const [uid, gid] = owner ?? [];
  return { cwd, ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) };
}

function idsOf(user: string): readonly number[] | null {
  const ids = ['-u', '-g'].map((flag) => spawnSync('id', [flag, user], { encoding: 'utf8' }));
  return ids.every(({ status }) => status === 0) ? ids.map(({ stdout }) => Number(stdout)) : null;
}

function missing(): string | undefined {
  if (folder !== undefined && owner !== null) return undefined;
  const why =
    folder === undefined
      ? 'no PostgreSQL server (apt-get install postgresql)'
      : 'PostgreSQL does not run as root, and there is no user postgres';
  if (process.env.CI) throw new Error(why);
  return why;
}
