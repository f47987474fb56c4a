// Everything in one command: `umbel dev`, with the web server beside it, and a mail catcher. `npm start`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { here, prepare } from './prepare.mjs';

process.chdir(here);
await prepare();
if (existsSync('.env')) process.loadEnvFile('.env');
const manifest = createRequire(import.meta.url).resolve('umbel/package.json');
const umbel = join(dirname(manifest), 'dist', 'cli', 'main.js');
const env = { ...process.env };

let mails;
if (!env.SMTP_URL) {
  mails = start(['--import', 'tsx', 'dev/catcher.ts'], { SMTP_PORT: '0' });
  mails.once('exit', (code) => process.exit(code ?? 1)); // it cannot start
  const [{ smtp, pages }] = await once(mails, 'message');
  env.SMTP_URL = `smtp://127.0.0.1:${smtp}`;
  env.MAIL_PAGE = `http://127.0.0.1:${pages}`;
  mails.removeAllListeners('exit');
}
const dashboard = env.DASHBOARD_PORT ? ['--dashboard-port', env.DASHBOARD_PORT] : []; // else 5555, or the next one that is free
const web = `web=${JSON.stringify(process.execPath)} --import tsx dev/seed.ts`;
const dev = start([umbel, '-A', './server/app.ts', 'dev', '--no-gateway', ...dashboard, '--run', web]);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => dev.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal));
dev.once('exit', (code) => {
  process.exitCode = code ?? 1;
  mails?.kill('SIGTERM'); // the last: a task that is finished may still send one
});
mails?.once('exit', () => dev.kill('SIGTERM'));

function start(args, more = {}) {
  return spawn(process.execPath, args, {
    env: { ...env, ...more },
    detached: true, // a Ctrl-C reaches it through this program alone
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'], // the channel tells it when this program is gone
  });
}
