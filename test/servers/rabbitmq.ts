// A RabbitMQ node for tests, on free ports of the loopback: virtual hosts of the one that the run shares, or, for tests that harm or
// configure a node, one of their own.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './redis.ts';
import { type Kind, partOf } from './shared.ts';

/** Debian's; `/usr/sbin/rabbitmq-server` wants to be another user. */
const programs = '/usr/lib/rabbitmq/bin';

/** Why the tests with RabbitMQ cannot run here; undefined when they can. In CI they always must. */
export const noRabbit: string | undefined = missing();

/** What a holder of the shared node is told; its own default virtual host is the first of `vhosts`. */
interface Part {
  readonly port: number;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly vhosts: readonly string[];
}

/** So many virtual hosts go to one holder at first. */
const perPart = 5;

export class RabbitServerProcess implements AsyncDisposable {
  /** How the run's leader starts the shared node. */
  static readonly sharing: Kind = {
    async start() {
      const server = await RabbitServerProcess.start();
      const spare: string[] = [];
      return {
        async part() {
          // Asking the node takes long, so it is asked for many at a time.
          if (spare.length < perPart) spare.push(...server.#newVhosts(10 * perPart));
          const vhosts = spare.splice(0, perPart);
          return { port: server.port, folder: server.#folder, environment: server.#environment, vhosts };
        },
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  };

  readonly port: number;
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  /** In place of the virtual host `/`; null when the node is its own. */
  readonly #home: string | null;
  #child: ChildProcess | null = null;
  #vhosts: string[];

  private constructor(
    port: number,
    folder: string,
    environment: Readonly<Record<string, string>>,
    vhosts: readonly string[],
  ) {
    this.port = port;
    this.#folder = folder;
    this.#environment = environment;
    this.#vhosts = [...vhosts];
    this.#home = this.#vhosts.shift() ?? null;
  }

  /** Virtual hosts of the node that all test files of a run share; `/` stands for the first of them. */
  static async shared(): Promise<RabbitServerProcess> {
    const { port, folder, environment, vhosts } = (await partOf('rabbitmq')) as Part; // as `sharing` gives it
    return new RabbitServerProcess(port, folder, environment, vhosts);
  }

  /** A node of its own. `configuration`: further lines of rabbitmq.conf. */
  static async start(configuration = ''): Promise<RabbitServerProcess> {
    const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
    const folder = mkdtempSync(join(tmpdir(), 'umbel-rabbit-'));
    for (const name of ['data', 'log']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'plugins'), '[].\n');
    writeFileSync(
      join(folder, 'rabbitmq.conf'),
      `listeners.tcp.1 = 127.0.0.1:${port}\nloopback_users.guest = true\ndisk_free_limit.absolute = 1MB\n${configuration}`,
    );
    const environment = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      LANG: 'C.UTF-8',
      ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
      RABBITMQ_NODENAME: `umbel-${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      // An epmd of its own, so that it goes with the node.
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(epmdPort),
      // Two processors are few: no schedulers that spin.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none',
    };
    const server = new RabbitServerProcess(port, folder, environment, []);
    await server.start();
    return server;
  }

  /** `amqp://guest:guest@127.0.0.1:port/vhost`; the default one is `/`. */
  url(vhost = '/'): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}/${encodeURIComponent(vhost === '/' ? (this.#home ?? vhost) : vhost)}`;
  }

  async start(): Promise<void> {
    this.#mustBeOwn();
    const child = spawn(join(programs, 'rabbitmq-server'), {
      env: this.#environment,
      stdio: 'ignore',
      detached: true,
    });
    this.#child = child;
    for (let tries = 0; !(await speaks(this.port)); tries++) {
      if (child.exitCode !== null || tries > 600)
        throw new Error(`rabbitmq-server does not start: ${this.#folder}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Ends the node: all that the start script began. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#mustBeOwn();
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    process.kill(-child.pid, signal); // its process group: the script and the Erlang machine
    await exit;
  }

  /** To the node itself: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#mustBeOwn();
    if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, signal);
  }

  /** The name of an empty virtual host. Many are made at a time: asking the node takes long. */
  vhost(): string {
    if (this.#vhosts.length === 0) this.#vhosts = this.#newVhosts(25);
    return this.#vhosts.pop() ?? '/';
  }

  #newVhosts(count: number): string[] {
    const all = Array.from({ length: count }, () => `v-${randomUUID()}`);
    const names = all.map((name) => `<<"${name}">>`).join(',');
    const permit =
      'rabbit_auth_backend_internal:set_permissions(<<"guest">>, V, <<".*">>, <<".*">>, <<".*">>, <<"test">>)';
    this.#run('eval', `[begin rabbit_vhost:add(V, <<"test">>), ${permit} end || V <- [${names}]].`);
    return all;
  }

  /** rabbitmqctl; its output. Takes about a second. Of a shared node it says and does what concerns a virtual host. */
  ctl(...args: readonly string[]): string {
    return this.#run(...this.#scoped(args));
  }

  /** The same while other things go on. */
  async ask(...args: readonly string[]): Promise<string> {
    const options = { env: this.#environment };
    const command = ['-q', ...this.#scoped(args)];
    const { stdout } = await promisify(execFile)(join(programs, 'rabbitmqctl'), command, options);
    return stdout.trimEnd();
  }

  #run(...args: readonly string[]): string {
    const run = spawnSync(join(programs, 'rabbitmqctl'), ['-q', ...args], {
      env: this.#environment,
      encoding: 'utf8',
    });
    if (run.status !== 0) throw new Error(run.stderr || run.stdout);
    return run.stdout.trimEnd();
  }

  #scoped(args: readonly string[]): readonly string[] {
    if (this.#home === null || args.some((each) => each === '-p' || each === '--vhost')) return args;
    if (args.some((each) => each.startsWith('list_'))) return ['-p', this.#home, ...args];
    return this.#mustBeOwn();
  }

  #mustBeOwn(): never | readonly [] {
    if (this.#home === null) return [];
    throw new Error(
      'this node is shared with other tests: RabbitServerProcess.start() makes one of your own',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#home !== null) return; // the run's leader stops it
    await this.stop('SIGKILL');
    // It does not go while it believes that the node lives, which it does for a moment longer.
    const kill = ['-port', this.#environment.ERL_EPMD_PORT ?? '', '-kill'];
    for (let tries = 0; tries < 40; tries++) {
      const { stdout } = spawnSync('epmd', kill, { env: this.#environment, encoding: 'utf8' });
      if (!stdout.includes('not allowed')) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Whether somebody there answers a protocol header, as RabbitMQ does when it has booted. */
function speaks(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('AMQP\x00\x00\x09\x01', 'latin1'));
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.setTimeout(2000, () => done(false));
    socket.on('data', () => done(true));
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
  });
}

function missing(): string | undefined {
  if (existsSync(join(programs, 'rabbitmq-server'))) return undefined;
  const why = 'no rabbitmq-server (apt-get install rabbitmq-server)';
  if (process.env.CI) throw new Error(why);
  return why;
}
