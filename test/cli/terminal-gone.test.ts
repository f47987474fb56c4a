// The terminal of a command goes away: its window is closed, its line drops.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { needs, noProgram } from '../needs.ts';
import { within } from '../until.ts';
import { command, project, shop, umbel } from './harness.ts';

const missing = noProgram('/usr/bin/python3', '--version', 'python3');

const app = `${shop}
import { writeFileSync } from 'node:fs';
import { isatty } from 'node:tty';
app.task('shop.outlives', async () => {
  console.log('task begins');
  while (isatty(1)) await new Promise((resolve) => setTimeout(resolve, 20)); // no signal tells a pool's process
  console.log('nobody reads this');
  writeFileSync('done', '');
});
`;

/** The exit code of the command, negative for a signal. `errors`: where what it says of errors goes, '-' for the terminal. */
async function closing(
  folder: string,
  { seen, errors }: { readonly seen: string; readonly errors: string },
  args: readonly string[],
): Promise<number> {
  const script = new URL('../fixtures/python/closing_terminal.py', import.meta.url).pathname;
  const line = [script, seen, errors, process.execPath, command, '-A', './app.js', ...args];
  const ended = promisify(execFile)('/usr/bin/python3', line, { cwd: folder });
  return Number((await within(ended, 'the end of the command')).stdout);
}

needs(test, missing)('a screen ends quietly', async () => {
  const folder = project({ 'app.js': shop });
  for (const screen of ['top', 'events']) {
    const code = await closing(folder, { seen: '1049h', errors: 'errors' }, [screen]);
    expect({ screen, code, said: readFileSync(join(folder, 'errors'), 'utf8') }).toEqual({
      ...{ screen, code: 0, said: '' },
    });
  }
});

needs(test, missing)('a worker finishes what it runs, in whatever pool, though both log to it', async () => {
  for (const pool of ['async', 'processes']) {
    const folder = project({ 'app.js': app });
    await umbel(folder, ['-A', './app.js', 'call', 'shop.outlives']);
    const worker = ['worker', '-P', pool, '-c', '1'];
    expect(await closing(folder, { seen: 'task begins', errors: '-' }, worker)).toBe(0);
    expect(existsSync(join(folder, 'done'))).toBe(true);
  }
});
