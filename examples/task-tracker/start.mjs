// Everything in one command: mail catcher, web server, worker and beat, each a process of its own. `npm start`, `PORT=8001 npm start`
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { here, prepare } from './prepare.mjs';

process.chdir(here);
await prepare();
const manifest = createRequire(import.meta.url).resolve('umbel/package.json');
const umbel = [join(dirname(manifest), 'dist', 'cli', 'main.js'), '-A', './server/app.ts'];

const programs = new Map();
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

const env = { ...process.env };
if (!env.SMTP_URL) {
  const { smtp, pages } = await start('mails', ['--import', 'tsx', 'dev/catcher.ts'], { SMTP_PORT: '0' });
  env.SMTP_URL = `smtp://127.0.0.1:${smtp}`;
  env.MAIL_PAGE = `http://127.0.0.1:${pages}`;
}
const { port } = await start('web', ['--import', 'tsx', 'dev/seed.ts']);
void start('worker', [...umbel, 'worker', '-q', '-l', 'info', '--log-format', 'pretty']);
void start('beat', [...umbel, 'beat', '-q', '-l', 'warning', '--log-format', 'pretty']);
const url = `http://${env.HOST ?? '127.0.0.1'}:${port}`;
console.log(`
  Pages     ${url}    sign in as ada@example.com, password: analytical engine
  API       ${url}/docs
  Health    ${url}/health
  Mails     ${env.MAIL_PAGE ?? env.SMTP_URL}

Ctrl-C stops it.`);

/** Resolves with the first message of the program, which says where it listens. */
function start(name, args, more = {}) {
  const child = spawn(process.execPath, args, {
    env: { ...env, ...more },
    detached: true, // a Ctrl-C reaches it through `stop` alone
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'], // the channel tells it when we are gone without having stopped it
  });
  programs.set(name, child);
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => console.log(`${name.padEnd(6)} | ${line}`));
  child.once('exit', (code, signal) => {
    programs.delete(name);
    if (stopping) {
      if (name !== 'mails' && programs.size === 1) programs.get('mails')?.kill('SIGTERM');
      return;
    }
    console.error(`${name} ended by itself (${signal ?? `exit ${code}`}).`);
    process.exitCode = 1;
    stop();
  });
  return new Promise((resolve) => child.once('message', resolve));
}

/** The worker finishes what it runs; the mail catcher goes last, since a task may still send one. */
function stop() {
  stopping = true;
  const others = [...programs].filter(([name]) => name !== 'mails');
  for (const [, child] of others.length > 0 ? others : programs) child.kill('SIGTERM');
}
