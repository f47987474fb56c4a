// The tests of this folder: `npm test`. With RabbitMQ where RMQ_URL says so.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { here, prepare } from './prepare.mjs';

process.chdir(here);
await prepare();
const asked = process.argv.slice(2);
const files = readdirSync('test')
  .filter(
    (name) =>
      name.endsWith('.test.ts') && (asked.length === 0 || asked.some((part) => name.startsWith(part))),
  )
  .map((name) => `test/${name}`);
const child = spawn(process.execPath, ['--import', 'tsx', '--test', '--test-concurrency=1', ...files], {
  stdio: 'inherit',
});
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
