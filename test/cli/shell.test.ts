import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { command, project, shop } from './harness.ts';
import { withoutWaits } from './in-process.ts';

/** Pipes lines into `umbel shell`. */
function shell(
  folder: string,
  input: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [command, '-A', './app.js', 'shell'], { cwd: folder });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  child.stdin.end(input);
  return new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, stdout, stderr: withoutWaits(stderr) })),
  );
}

test('the shell has the application, its tasks and the canvas at hand, and awaits each line before the next', async () => {
  const folder = project({ 'app.js': shop });
  const lines = [
    'const sum = await add.delay(2, 3)',
    'sum.id.length',
    "await tasks['shop.add'].apply([2, 3]).then((result) => result.get())",
    '[typeof chain, typeof crontab, app.name]',
    '1 +',
    '1',
  ];
  expect(await shell(folder, `${lines.join('\n')}\n`)).toEqual({
    code: 0,
    stdout: "36\n5\n[ 'function', 'function', 'shop' ]\n2\n",
    stderr: '',
  });
});

test('the shell knows tasks by the names of their exports, and shows them in a line', async () => {
  const folder = project({ 'app.js': `${shop}export const addUp = app.tasks.get('shop.add');\n` });
  expect(await shell(folder, 'addUp\n({ all: [addUp, add] })\n')).toMatchObject({
    stdout: '[Task: shop.add]\n{ all: [ [Task: shop.add], [Task: shop.add] ] }\n',
    stderr: '',
  });
});

test('the shell ends at the first line that throws, with exit code 1, and says what it was not given to the end', async () => {
  const folder = project({ 'app.js': shop });
  expect(await shell(folder, '1\nnope\n2\n')).toMatchObject({
    code: 1,
    stdout: '1\n',
    stderr: expect.stringContaining('nope is not defined'),
  });
  expect(await shell(folder, '(1 +\n')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('within a statement'),
  });
});
