// Everything in one command: the page, and the programs of the three ways. `npm start`; `npm run report` measures once and ends.
import { spawn } from 'node:child_process';
import { here, prepare } from './prepare.mjs';

process.chdir(here);
await prepare();
const main = spawn(process.execPath, ['--import', 'tsx', 'server/main.ts', ...process.argv.slice(2)], {
  detached: true, // a Ctrl-C reaches it once, through this program
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'], // the channel tells it when this program is gone
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => main.kill('SIGTERM'));
main.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
