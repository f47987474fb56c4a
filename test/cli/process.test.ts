// What a command has of its process: where its output goes, and that it does the same in one of its own as within that of the tests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/index.ts';
import { command, project, shop, umbel, umbelProcess } from './harness.ts';
import { openApp } from './in-process.ts';

test.each([
  [['--help'], {}],
  [[], {}],
  [['-A', './app.js', 'call', 'shop.ad'], {}],
  [['result', 'nothing'], {}],
  [['status', '-t', '0.1'], {}],
  [['-A', './none.js', 'call', 'shop.add'], {}],
  [['list', 'bindings'], { FORCE_COLOR: '1' }],
  [['dead', 'list', '--json'], { UMBEL_APP: './app.js' }],
])('umbel %j is the same within the process of the tests', async (args, env) => {
  const own = await umbelProcess(project({ 'app.js': shop }), args, { env });
  expect(own.stdout + own.stderr).not.toBe('');
  const here = await umbel(project({ 'app.js': shop }), args, { env });
  const folder = /\/\S*umbel-cli-\w+/g;
  expect({ ...here, stderr: here.stderr.replace(folder, '') }).toEqual({
    ...own,
    stderr: own.stderr.replace(folder, ''),
  });
});

const curious = `${shop}
const { stdin, stdout, stderr } = process;
const streams = [stdin, stdout, stderr].map(({ isTTY, columns }) => [isTTY, columns]);
console.log(JSON.stringify([process.cwd(), process.argv, process.execArgv, process.env, process.exitCode, streams]));
process.env.LEFT_BEHIND = 'yes';
process.on('SIGUSR2', () => undefined);
`;

test('a command within the process of the tests finds what it would find in its own, and leaves nothing behind', async () => {
  const folder = project({ 'app.js': curious });
  const args = ['-A', './app.js', '--workdir', '.', 'call', 'shop.ad'];
  const before = [process.cwd(), { ...process.env }, process.argv, process.execArgv, process.exitCode];
  const here = await umbel(folder, args, { env: { SAID: 'yes' } });
  expect(JSON.parse(here.stdout)[3]).toMatchObject({ SAID: 'yes', UMBEL_TEST_SERVERS: expect.any(String) });
  expect(here).toEqual(await umbelProcess(folder, args, { env: { SAID: 'yes' } }));
  expect([process.cwd(), { ...process.env }, process.argv, process.execArgv, process.exitCode]).toEqual(
    before,
  );
  expect(process.listenerCount('SIGUSR2')).toBe(0);
});

test('the application of a project is made of the package that tests import, and anew in each run', async () => {
  const place = { folder: project({ 'app.js': shop }), env: process.env };
  await using first = await openApp(place, './app.js');
  await using second = await openApp(place, './app.js');
  expect(first).toBeInstanceOf(App);
  expect(second).not.toBe(first);
});

test('a reader that closes the pipe early ends the command, and it is no error', async () => {
  const folder = project({});
  // It would go on for ever.
  const child = spawn(process.execPath, [command, 'top', '--json', '-i', '100ms'], { cwd: folder });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code, signal] = await once(child, 'close');
  // A machine that is busy may open the store slowly, which the command says.
  expect([code, signal, stderr.replace(/^waiting for the broker .*\n/, '')]).toEqual([0, null, '']);
});

test('what goes into a file is whole', async () => {
  const folder = project({});
  const file = openSync(join(folder, 'help.txt'), 'w');
  const child = spawn(process.execPath, [command, 'worker', '--help'], {
    cwd: folder,
    stdio: ['ignore', file, 'ignore'],
  });
  closeSync(file);
  expect(await once(child, 'close')).toEqual([0, null]);
  const { stdout } = await umbel(folder, ['worker', '--help']);
  expect(readFileSync(join(folder, 'help.txt'), 'utf8')).toBe(stdout);
});
