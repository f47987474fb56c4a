// Everything on this machine: API, worker, beat and dashboard, and Redis where none runs; without one, on the embedded store: `npm start`.
// The first time it writes .env.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
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

let redis;
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
const umbel = ['node_modules/umbel/dist/cli/main.js', '-A', './src/app.ts'];
const api = `api=${JSON.stringify(process.execPath)} --import tsx src/main.ts`;
const dev = spawn(
  process.execPath,
  [...umbel, 'dev', '--no-gateway', '--dashboard-port', FLOWER_PORT, '--run', api],
  // A Ctrl-C reaches it through this program alone. The channel tells it when this program is gone.
  { env, detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => dev.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal));
dev.once('exit', (code) => {
  process.exitCode = code ?? 1;
  redis?.kill('SIGTERM'); // the last: a worker that stops still needs it
});
redis?.once('exit', () => dev.kill('SIGTERM'));

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
  redis = spawn('redis-server', [...options, '-'], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
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
