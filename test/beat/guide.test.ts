// The guide's code is run: each block by itself, after the first.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { Beat, Schedules } from '../../src/beat/beat.ts';
import { root } from '../e2e/harness/built.ts';

test('the code of the guide to scheduling runs, and declares what it says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-guide-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const guide = readFileSync(join(root, 'docs/guide/scheduling.md'), 'utf8');
  const [first = '', ...others] = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code ?? '');
  const isImport = (line: string): boolean => line.startsWith('import ');
  const body = (code: string): string =>
    code
      .split('\n')
      .filter((line) => !isImport(line))
      .join('\n');
  // The package as it is built, and a store that must be there before schedules are changed.
  const program = `
import { App, chain, crontab, every } from '${join(root, 'dist/index.js')}';
import { Beat, Schedules } from '${join(root, 'dist/beat/beat.js')}';
${body(first).replace('{ timezone:', `{ broker: 'sqlite://${join(folder, 'store.db')}', timezone:`)}
const load = app.task('shop.load', (from: string) => from);
await using beat = new Beat(app);
await beat.start();
${others.map((code) => `{\n${body(code)}\n}`).join('\n')}
`;
  const file = join(folder, 'guide.ts');
  writeFileSync(file, program);
  const { app }: { app: App } = await import(pathToFileURL(file).href);
  await using schedules = await Schedules.open(app);
  // What the later blocks declare, the next beat puts there.
  await using beat = new Beat(app);
  await beat.start();
  const names = (await schedules.list()).map(({ name, state }) => `${name} ${state}`);
  expect(names).toEqual([
    'a active',
    'b active',
    'c active',
    'd active',
    'monday active',
    'nightly paused',
    'pulse active',
  ]);
  await beat.stop();
  await app.close();
});
