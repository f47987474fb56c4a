// Servers of our own for the time of a run: on free ports of the loopback, in folders of their own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why there can be none here, or null. */
export const noRedis =
  spawnSync('redis-server', ['--version']).status === 0 ? null : 'redis-server is not installed';
export const noRabbit = rabbitProgram() === null ? 'rabbitmq-server is not installed' : null;

/** `options` as on the command line. */
export async function startRedis(options) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-'));
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const server = spawn('redis-server', [...fixed, ...options], { stdio: 'ignore' });
  const dies = () => server.kill('SIGKILL');
  // Also when the program ends by an error of its own.
  process.once('exit', dies);
  await accepts(port, server);
  const cli = (...command) => {
    const { stdout, stderr, status } = spawnSync('redis-cli', ['-p', String(port), ...command], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr || stdout);
    return stdout;
  };
  const info = (section, name) =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(cli('INFO', section))?.[1]);
  return {
    address: `redis://127.0.0.1:${port}/0`,
    version: /redis_version:(\S+)/.exec(cli('INFO', 'server'))?.[1],
    /** Nothing is left of the measurement before. */
    clear: () => void cli('FLUSHALL'),
    cpuSeconds: () => info('cpu', 'used_cpu_sys') + info('cpu', 'used_cpu_user'),
    usedBytes: () => info('memory', 'used_memory'),
    async stop() {
      process.off('exit', dies);
      dies();
      await once(server, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A node with a name, ports and a port mapper (epmd) of its own, so that it meets no other. */
export async function startRabbit() {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-bench-'));
  const [port, distPort, mapperPort] = [await freePort(), await freePort(), await freePort()];
  const env = {
    ...process.env,
    HOME: folder,
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `umbel-bench-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
  };
  writeFileSync(env.RABBITMQ_CONFIG_FILE, 'log.console = false\n');
  writeFileSync(env.RABBITMQ_ENABLED_PLUGINS_FILE, '[].\n');
  const program = rabbitProgram();
  const mapper = spawn('epmd', ['-port', String(mapperPort), '-address', '127.0.0.1'], { stdio: 'ignore' });
  await accepts(mapperPort, mapper);
  // A process group of its own: the start script has the node as its child.
  const server = spawn(program, [], { env, stdio: 'ignore', detached: true });
  const dies = () => {
    process.kill(-server.pid, 'SIGKILL');
    mapper.kill('SIGKILL');
  };
  process.once('exit', dies);
  const address = `amqp://guest:guest@127.0.0.1:${port}//`;
  try {
    await accepts(port, server, 60_000);
  } catch (error) {
    process.off('exit', dies);
    dies();
    throw error;
  }
  return {
    address,
    version: /rabbitmq_server-([\d.]+)/.exec(readdirSync('/usr/lib/rabbitmq/lib').join(' '))?.[1],
    clear() {},
    async stop() {
      const gone = once(server, 'exit');
      process.off('exit', dies);
      dies();
      await gone;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Not the wrapper in the PATH, which wants to become the user `rabbitmq`. */
function rabbitProgram() {
  const program = '/usr/lib/rabbitmq/bin/rabbitmq-server';
  return existsSync(program) ? program : null;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function accepts(port, server, withinMs = 10_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    if (server.exitCode !== null || Date.now() > deadline) throw new Error('a server does not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
