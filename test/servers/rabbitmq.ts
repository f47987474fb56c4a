// A RabbitMQ node of our own for tests: on free ports of the loopback, in a folder of its own.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './redis.ts';

/** Debian's; `/usr/sbin/rabbitmq-server` wants to be another user. */
const programs = '/usr/lib/rabbitmq/bin';

/** Why the tests with RabbitMQ cannot run here; undefined when they can. In CI they always must. */
export const noRabbit: string | undefined = missing();

export class RabbitServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | null = null;
  #vhosts: string[] = [];

  private constructor(port: number, distributionPort: number, epmdPort: number, configuration: string) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), 'umbel-rabbit-'));
    for (const name of ['data', 'log']) mkdirSync(join(this.#folder, name));
    writeFileSync(join(this.#folder, 'plugins'), '[].\n');
    writeFileSync(
      join(this.#folder, 'rabbitmq.conf'),
      `listeners.tcp.1 = 127.0.0.1:${port}\nloopback_users.guest = true\ndisk_free_limit.absolute = 1MB\n${configuration}`,
    );
    this.#environment = {
      PATH: process.env.PATH,
      HOME: this.#folder,
      LANG: 'C.UTF-8',
      ERL_CRASH_DUMP: join(this.#folder, 'erl_crash.dump'),
      RABBITMQ_NODENAME: `umbel-${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_MNESIA_BASE: join(this.#folder, 'data'),
      RABBITMQ_LOG_BASE: join(this.#folder, 'log'),
      RABBITMQ_CONFIG_FILE: join(this.#folder, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.#folder, 'plugins'),
      // An epmd of its own, so that it goes with the node.
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(epmdPort),
      // Two processors are few: no schedulers that spin.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none',
    };
  }

  /** `configuration`: further lines of rabbitmq.conf. */
  static async start(configuration = ''): Promise<RabbitServerProcess> {
    const server = new RabbitServerProcess(
      await freePort(),
      await freePort(),
      await freePort(),
      configuration,
    );
    await server.start();
    return server;
  }

  /** `amqp://guest:guest@127.0.0.1:port/vhost`; the default one is `/`. */
  url(vhost = '/'): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}/${encodeURIComponent(vhost)}`;
  }

  async start(): Promise<void> {
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
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    process.kill(-child.pid, signal); // its process group: the script and the Erlang machine
    await exit;
  }

  /** To the node itself: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, signal);
  }

  /** The name of an empty virtual host. Many are made at a time: asking the node takes long. */
  vhost(): string {
    if (this.#vhosts.length === 0) {
      this.#vhosts = Array.from({ length: 25 }, () => `v-${randomUUID()}`);
      const names = this.#vhosts.map((name) => `<<"${name}">>`).join(',');
      const permit =
        'rabbit_auth_backend_internal:set_permissions(<<"guest">>, V, <<".*">>, <<".*">>, <<".*">>, <<"test">>)';
      this.ctl('eval', `[begin rabbit_vhost:add(V, <<"test">>), ${permit} end || V <- [${names}]].`);
    }
    return this.#vhosts.pop() ?? '/';
  }

  /** rabbitmqctl; its output. Takes about a second. */
  ctl(...args: readonly string[]): string {
    const run = spawnSync(join(programs, 'rabbitmqctl'), ['-q', ...args], {
      env: this.#environment,
      encoding: 'utf8',
    });
    if (run.status !== 0) throw new Error(run.stderr || run.stdout);
    return run.stdout.trimEnd();
  }

  /** The same while other things go on. */
  async ask(...args: readonly string[]): Promise<string> {
    const options = { env: this.#environment };
    const { stdout } = await promisify(execFile)(join(programs, 'rabbitmqctl'), ['-q', ...args], options);
    return stdout.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
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
