// A RabbitMQ node for tests, on free ports of the loopback: virtual hosts of the one that the run shares, or, for tests that harm or
// configure a node, one of their own.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './redis.ts';
import { type Kind, partOf } from './shared.ts';
import { untilStopped } from './until-stopped.ts';

/** Debian's; `/usr/sbin/rabbitmq-server` wants to be another user. */
const programs = '/usr/lib/rabbitmq/bin';

/** Why the tests with RabbitMQ cannot run here; undefined when they can. In CI they always must. */
export const noRabbit: string | undefined = missing();

/** What a holder of the shared node is told; `home` is its own default virtual host. */
interface Part {
  readonly port: number;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly home: string;
}

export class RabbitServerProcess implements AsyncDisposable {
  /** How the run's leader starts the shared node. */
  static readonly sharing: Kind = {
    async start() {
      const server = await RabbitServerProcess.start();
      return {
        async part() {
          const home = server.vhost();
          return { port: server.port, folder: server.#folder, environment: server.#environment, home };
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

  private constructor(
    port: number,
    folder: string,
    environment: Readonly<Record<string, string>>,
    home: string | null,
  ) {
    this.port = port;
    this.#folder = folder;
    this.#environment = environment;
    this.#home = home;
  }

  /** Virtual hosts of the node that all test files of a run share; `/` stands for the first of them. */
  static async shared(): Promise<RabbitServerProcess> {
    const { port, folder, environment, home } = (await partOf('rabbitmq')) as Part; // as `sharing` gives it
    return new RabbitServerProcess(port, folder, environment, home);
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
    const server = new RabbitServerProcess(port, folder, environment, null);
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
    if (this.#child?.pid === undefined) return;
    process.kill(-this.#child.pid, signal);
    if (signal === 'SIGSTOP') untilStopped(this.#child.pid);
  }

  /** The name of a new virtual host, empty. */
  vhost(): string {
    const name = `v-${randomUUID()}`;
    const permit = `rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"${name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)`;
    const erlang = `rabbit_vhost:add(<<"${name}">>, <<"test">>), ${permit}`;
    const { stdout, stderr } = spawnSync('erl_call', this.#asking, this.#questioned(erlang));
    answerIn(stdout, stderr);
    return name;
  }

  /** What the node prints when it evaluates this Erlang expression. Takes some milliseconds, where rabbitmqctl takes a second and a half. */
  async evaluate(erlang: string): Promise<string> {
    const { input, ...options } = this.#questioned(erlang);
    const asked = promisify(execFile)('erl_call', this.#asking, options);
    asked.child.stdin?.on('error', () => undefined).end(input); // what was wrong it says itself
    const { stdout, stderr } = await asked;
    return answerIn(stdout, stderr);
  }

  /** The queues of a virtual host. Quorum queues tell their length some seconds late. */
  async queues(vhost: string): Promise<{ name: string; messages: number; durable: boolean }[]> {
    const all = `rabbit_amqqueue:info_all(<<"${vhost}">>, [name, messages, durable])`;
    const said = await this.evaluate(
      `[io:format("~ts\t~p\t~p~n", [N, M, D]) || [{name, {resource, _, queue, N}}, {messages, M}, {durable, D}] <- ${all}]`,
    );
    return said
      .split('\n')
      .filter((row) => row !== '')
      .map((row) => row.split('\t'))
      .map(([name = '', messages, durable]) => ({
        name,
        messages: Number(messages) || 0,
        durable: durable === 'true',
      }));
  }

  /** Ends all connections to a virtual host, as an operator does. */
  async closeConnections(vhost: string): Promise<void> {
    const all = 'rabbit_networking:connection_info_all([pid, vhost])';
    await this.evaluate(
      `[rabbit_networking:close_connection(P, "a test") || [{pid, P}, {vhost, V}] <- ${all}, V =:= <<"${vhost}">>]`,
    );
  }

  get #asking(): readonly string[] {
    const { RABBITMQ_NODENAME: node = '', HOME: home = '' } = this.#environment;
    const cookie = readFileSync(join(home, '.erlang.cookie'), 'utf8').trim();
    // By a name of its own: the node refuses two of one name.
    return [
      '-h',
      `asking-${randomUUID()}`,
      '-sname',
      node,
      '-c',
      cookie,
      '-e',
      '-fetch_stdout',
      '-no_result_term',
    ];
  }

  #questioned(erlang: string): { env: NodeJS.ProcessEnv; encoding: 'utf8'; input: string } {
    const input = `${erlang}, io:format("${end}").\n`;
    return { env: { ...this.#environment }, encoding: 'utf8', input };
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

/** What follows all that an expression prints; `erl_call` does not say whether it came to its end. */
const end = '~n-- end --~n';

function answerIn(stdout: string, stderr: string): string {
  const [answer, ...rest] = stdout.split(end.replaceAll('~n', '\n'));
  if (answer === undefined || rest.length === 0)
    throw new Error(`the node does not do it: ${stderr}${stdout}`);
  return answer;
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
