// What README.md and docs/start.md show is run as it stands there.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { command, Program, project, start, umbel } from '../cli/harness.ts';
import { root } from '../e2e/harness/built.ts';

/** The blocks of TypeScript of a page, in order. */
function blocks(page: string): readonly string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
}

function blockWith(page: string, words: string): string {
  const found = blocks(page).find((block) => block.includes(words));
  if (found === undefined) throw new Error(`${page} has no block of code with ${words}`);
  return found;
}

/** Runs a program of the project to its end. */
const runScript = (folder: string, path: string) =>
  new Program(['--import', import.meta.resolve('tsx'), join(folder, path)], folder).ended;

async function localPage(text: string): Promise<string> {
  const server = createServer((_, response) => response.end(text));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`;
}

test('the one-screen example of the README runs: both files, and its command lines', async () => {
  const folder = project({
    'app.ts': blockWith('README.md', 'export const app = new App'),
    'main.ts': blockWith('README.md', 'await add.delay(2, 3)'),
  });
  const worker = start(folder, ['-A', './app.ts', 'worker', '-Q', 'celery,slow', '-c', '8', '-l', 'info']);
  await worker.said(/ready/);
  expect(await runScript(folder, 'main.ts')).toMatchObject({ code: 0, stdout: '5\n', stderr: '' });

  const called = await umbel(folder, ['-A', './app.ts', 'call', 'shop.add', '-a', '[2, 3]', '--wait']);
  expect(called).toMatchObject({ code: 0, stdout: '5\n' });

  const url = await localPage('four');
  const size = await umbel(folder, [
    '-A',
    './app.ts',
    'call',
    'shop.page_size',
    '-a',
    JSON.stringify([url]),
    '--wait',
  ]);
  expect(size).toMatchObject({ code: 0, stdout: '4\n' });
});

test('the first steps of docs/start.md run', async () => {
  const page = 'docs/start.md';
  const folder = project({
    'app.ts': blockWith(page, 'export const app = new App'),
    'main.ts': blockWith(page, "from './app.ts'"),
  });
  const worker = new Program([command, '-A', './app.ts', 'worker'], folder);
  await worker.said(/ready/);
  expect((await umbel(folder, ['-A', './app.ts', 'call', 'shop.add', '-a', '[2, 3]', '--wait'])).stdout).toBe(
    '5\n',
  );
  expect(await runScript(folder, 'main.ts')).toMatchObject({ code: 0, stdout: '5\n', stderr: '' });
});
