// Everything in one command: mail catcher, web server, worker, beat and dashboard, each a process of its own: `npm start`
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { here, prepare } from './prepare.mjs';

process.chdir(here);
await prepare();
if (existsSync('.env')) process.loadEnvFile('.env');
const manifest = createRequire(import.meta.url).resolve('umbel/package.json');
const umbel = join(dirname(manifest), 'dist', 'cli', 'main.js');

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
const url = `http://${env.HOST ?? '127.0.0.1'}:${port}`;
console.log(`
  Pages     ${url}    sign in as ada@example.com, password: analytical engine
  API       ${url}/docs
  Health    ${url}/health
  Mails     ${env.MAIL_PAGE ?? env.SMTP_URL}

Ctrl-C stops it.
`);
const dashboard = env.DASHBOARD_PORT ? ['--dashboard-port', env.DASHBOARD_PORT] : []; // else 5555, or the next one that is free
void start('umbel', [umbel, '-A', './server/app.ts', 'dev', '--no-gateway', ...dashboard]);

/** Resolves with the first message of the program, which says where it listens. */
function start(name, args, more = {}) {
  const child = spawn(process.execPath, args, {
    env: { ...env, ...more },
    detached: true, // a Ctrl-C reaches it through `stop` alone
    // The channel tells it when we are gone without having stopped it. Lines of `umbel dev` begin with the names of its programs.
    stdio: name === 'umbel' ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  programs.set(name, child);
  for (const stream of [child.stdout, child.stderr])
    if (stream)
      createInterface({ input: stream }).on('line', (line) => console.log(`${name.padEnd(9)} | ${line}`));
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
