// Everything on this machine: API, worker, beat and dashboard, and Redis where none runs; without one, on the embedded store: `npm start`.
// The first time it writes .env.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseEnv } from 'node:util';

process.chdir(import.meta.dirname);
const secret = () => randomBytes(24).toString('hex');
if (!existsSync('.env')) {
  const filled = readFileSync('.env.example', 'utf8')
    .replace(/^REDIS_PASSWORD=$/m, () => `REDIS_PASSWORD=${secret()}`)
    .replace(/^FLOWER_BASIC_AUTH=$/m, () => `FLOWER_BASIC_AUTH=admin:${secret()}`);
  writeFileSync('.env', filled, { mode: 0o600 });
  console.log('Wrote .env with passwords of its own.');
}
const env = { ...parseEnv(readFileSync('.env', 'utf8')), ...process.env };
const { API_PORT = '8000', FLOWER_PORT = '5555' } = env;
const { REDIS_HOST = '127.0.0.1', REDIS_PORT = '6379', REDIS_PASSWORD = '' } = env;

for (const [name, port] of Object.entries({ API_PORT, FLOWER_PORT })) {
  if (!(await listens('127.0.0.1', port))) continue;
  console.error(`Port ${port} is in use: stop what listens there, or choose another one by ${name} in .env.`);
  process.exit(1);
}

const programs = new Map();
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

mkdirSync('.data', { recursive: true });
if (!env.UMBEL_BROKER_URL?.startsWith('sqlite:') && !(await listens(REDIS_HOST, REDIS_PORT))) {
  if (REDIS_HOST !== '127.0.0.1') {
    console.error(`There is no Redis on ${REDIS_HOST}:${REDIS_PORT} (REDIS_HOST, REDIS_PORT in .env).`);
    process.exit(1);
  }
  if (spawnSync('redis-server', ['--version']).status === 0) await startRedis();
  else {
    console.log(`There is no Redis here: it runs on the embedded store, .data/store.db, which only programs of this machine share.
As it will be deployed: install Redis (apt-get install redis-server, brew install redis), or run: docker compose up`);
    env.UMBEL_BROKER_URL = env.UMBEL_RESULT_BACKEND = 'sqlite://.data/store.db';
  }
}
console.log(`
  API        http://127.0.0.1:${API_PORT}/docs
  Health     http://127.0.0.1:${API_PORT}/health
  Dashboard  http://127.0.0.1:${FLOWER_PORT}    log in with FLOWER_BASIC_AUTH of .env

Ctrl-C stops it.
`);
start('api', process.execPath, ['--import', 'tsx', 'src/main.ts']);
const dev = ['-A', './src/app.ts', 'dev', '--no-gateway', '--dashboard-port', FLOWER_PORT];
start('umbel', process.execPath, ['node_modules/umbel/dist/cli/main.js', ...dev]);

async function startRedis() {
  const options = [
    '--bind',
    '127.0.0.1',
    '--port',
    REDIS_PORT,
    '--dir',
    '.data',
    '--appendonly',
    'yes',
    '--save',
    '',
  ];
  const redis = start('redis', 'redis-server', [...options, '-']);
  redis.stdin.end(`requirepass ${JSON.stringify(REDIS_PASSWORD)}\n`); // not on the command line, which everybody can see
  while (!(await listens(REDIS_HOST, REDIS_PORT))) await new Promise((resolve) => setTimeout(resolve, 20));
}

function listens(host, port) {
  return new Promise((resolve) => {
    const socket = connect(Number(port), host, () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function start(name, command, args) {
  const child = spawn(command, args, {
    env,
    detached: true, // a Ctrl-C reaches it through `stop` alone
    stdio: {
      redis: ['pipe', 'ignore', 'inherit'],
      api: ['ignore', 'pipe', 'pipe', 'ipc'], // the channel tells it when we are gone
      umbel: ['ignore', 'inherit', 'inherit', 'ipc'], // its lines begin with the names of its programs
    }[name],
  });
  programs.set(name, child);
  for (const stream of [child.stdout, child.stderr])
    if (stream)
      createInterface({ input: stream }).on('line', (line) => console.log(`${name.padEnd(9)} | ${line}`));
  child.once('exit', (code, signal) => {
    programs.delete(name);
    if (stopping) {
      if (programs.size === 1) programs.get('redis')?.kill('SIGTERM');
      return;
    }
    console.error(`${name} ended by itself (${signal ?? `exit ${code}`}).`);
    process.exitCode = 1;
    stop();
  });
  return child;
}

/** The worker finishes what it runs; Redis goes last. */
function stop() {
  stopping = true;
  const others = [...programs].filter(([name]) => name !== 'redis');
  for (const [, child] of others.length > 0 ? others : programs) child.kill('SIGTERM');
}
