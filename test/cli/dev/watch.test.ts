// Which changes of a project start the programs of `umbel dev` again.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { isLeftOut, isSource, projectOf, shownPath } from '../../../src/cli/dev/sources.ts';
import { watchSources } from '../../../src/cli/dev/watch.ts';
import { until } from '../../until.ts';
import { project } from '../harness.ts';

test.each([
  [['app.ts', 'app.mjs', 'tasks.cts', 'mail.tsx', 'data.json', '.env'], true],
  [
    ['app.d.ts', '.app.ts.swp', '.#app.ts', 'app.ts~', 'store.db', 'worker.log', 'README.md', '.envrc'],
    false,
  ],
])('of %j each is a source: %s', (files, expected) => {
  for (const file of files) expect([file, isSource(join('/shop/src', file))]).toEqual([file, expected]);
});

test('what was installed or built is left out, unless the application is in there', () => {
  const leftOut = (folder: string, appFile = '/shop/src/app.ts') =>
    isLeftOut(folder, appFile, ['/shop/data']);
  for (const name of ['node_modules', 'dist', '.git', '.umbel', 'data', 'data/deep', 'src/.cache'])
    expect([name, leftOut(join('/shop', name))]).toEqual([name, true]);
  for (const name of ['src', 'lib', 'database'])
    expect([name, leftOut(join('/shop', name))]).toEqual([name, false]);
  expect(leftOut('/shop/dist', '/shop/dist/app.js')).toBe(false);
});

test('the project is the nearest folder with a package.json; paths are shown from here', () => {
  const folder = project({ 'packages/jobs/package.json': '{}', 'packages/jobs/src/app.ts': '' });
  expect(projectOf(join(folder, 'packages/jobs/src/app.ts'))).toBe(join(folder, 'packages/jobs'));
  expect(projectOf('/nowhere/at/all/app.ts')).toBe('/nowhere/at/all');
  expect(shownPath('/shop/src/app.ts', '/shop')).toBe('src/app.ts');
  expect(shownPath('/shared/a.ts', '/shop')).toBe('/shared/a.ts');
});

describe('a change is seen', () => {
  /** What was told, each time. */
  function watching(files: Record<string, string>, ...ignored: readonly string[]) {
    const folder = project(files);
    const told: string[][] = [];
    const at = (path: string): string => join(folder, path);
    const watch = watchSources(
      { folders: [folder], home: folder, appFile: at('src/app.ts'), ignored: ignored.map(at) },
      {
        changed: (changed) => void told.push(changed.map((path) => shownPath(path, folder))),
        failed: (where, why) => void told.push([where, why]),
      },
    );
    onTestFinished(() => watch[Symbol.dispose]());
    const write = (path: string, text: string): void => writeFileSync(at(path), text);
    const seen = async (...paths: readonly string[]): Promise<void> => {
      await until(
        () => paths.every((path) => told.flat().includes(path)),
        () => `${paths} in ${JSON.stringify(told)}`,
      );
      told.length = 0;
    };
    return { at, told, write, seen };
  }

  test('when a file is written, renamed over another one as editors save, or deleted', async () => {
    const { at, told, write, seen } = watching({ 'src/app.ts': '1', 'src/deep/er/b.ts': '1' });
    write('src/app.ts', '2');
    await seen('src/app.ts');
    write('src/app.ts.tmp', '3');
    renameSync(at('src/app.ts.tmp'), at('src/app.ts'));
    await seen('src/app.ts');
    // By another source: only the one that stays is named.
    write('src/new.ts', '4');
    renameSync(at('src/new.ts'), at('src/app.ts'));
    await until(() => told.length > 0);
    expect(told).toEqual([['src/app.ts']]);
    told.length = 0;
    rmSync(at('src/deep/er/b.ts'));
    await seen('src/deep/er/b.ts');
  });

  test('in folders that come, and that come again', async () => {
    const { at, write, seen } = watching({ 'src/app.ts': '1' });
    mkdirSync(at('lib/deep'), { recursive: true });
    write('lib/deep/a.ts', '1');
    await seen('lib/deep/a.ts');
    rmSync(at('lib'), { recursive: true });
    mkdirSync(at('lib'));
    write('lib/b.ts', '1');
    await seen('lib/b.ts');
    write('lib/b.ts', '2');
    await seen('lib/b.ts');
  });

  test('once for all files of a moment, and not in what is left out', async () => {
    const { told, write } = watching(
      { 'src/app.ts': '1', 'dist/app.js': '1', 'data/x.ts': '1', 'node_modules/a/b.js': '1' },
      'data',
    );
    for (const path of ['dist/app.js', 'data/x.ts', 'node_modules/a/b.js', 'notes.txt', 'src/app.ts', 'a.ts'])
      write(path, '2');
    await until(() => told.length > 0);
    expect(told.map((files) => files.toSorted())).toEqual([['a.ts', 'src/app.ts']]);
  });

  test('and JSON that is written as it was before is no change', async () => {
    const { told, write, seen } = watching({ 'src/app.ts': '1' });
    write('made.json', '{}');
    await seen('made.json');
    write('made.json', '{}');
    write('src/app.ts', '2');
    await until(() => told.length > 0);
    expect(told).toEqual([['src/app.ts']]);
  });

  test('of .env and umbel.config in the folder of the command, where that is not in the project', async () => {
    const [home, other] = [project({}), project({ 'app.ts': '1' })];
    const told: string[] = [];
    const watched = { folders: [other], home, appFile: join(other, 'app.ts'), ignored: [] };
    const events = {
      changed: (files: readonly string[]) => void told.push(...files),
      failed: () => undefined,
    };
    using _watch = watchSources(watched, events);
    writeFileSync(join(home, 'main.ts'), '');
    for (const name of ['.env', 'umbel.config.json']) writeFileSync(join(home, name), '{}');
    await until(() => told.length > 1);
    expect(told.toSorted()).toEqual([join(home, '.env'), join(home, 'umbel.config.json')]);
  });
});
