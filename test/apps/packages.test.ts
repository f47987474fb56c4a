// The applications are to be read and copied: each server is below 1,500 lines, its pages below 2,000, and each is a package of its own.
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

// Not `recursive`: on Node 22 and newer that follows the links in `node_modules` back to this repository, without end.
const filesIn = (folder: string): readonly string[] =>
  readdirSync(join(root, 'examples', folder), { withFileTypes: true })
    .filter(({ name }) => name !== 'node_modules')
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesIn(path);
      return /\.(?:tsx?|css)$/.test(path) ? [join(root, 'examples', path)] : [];
    });

const linesOf = (...folders: readonly string[]): number =>
  folders
    .flatMap(filesIn)
    .reduce((sum, path) => sum + (readFileSync(path, 'utf8').match(/\n/g)?.length ?? 0), 0);

test.each([
  ['service', ['service/src'], []],
  ['comparison', ['comparison/server', 'comparison/ways'], ['comparison/web']],
  ['task-tracker', ['task-tracker/server'], ['task-tracker/web']],
])('%s is short enough to be read', (_, server, pages) => {
  expect(linesOf(...server)).toBeLessThan(1500);
  expect(linesOf(...pages)).toBeLessThan(2000);
});

test.each([
  'service',
  'comparison',
  'task-tracker',
])('%s imports its own files and what its package.json names, as the package of a user', (example) => {
  const home = join(root, 'examples', example);
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  expect(manifest.dependencies.umbel).toBe('file:../..');
  const named = new Set([...Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })]);
  let seen = 0;
  const strange = filesIn(example).flatMap((path) => {
    const imports = [
      ...readFileSync(path, 'utf8').matchAll(
        /(?:^(?:import|export|\}).* from |^import |\bimport\()'([^'\n]+)'/gm,
      ),
    ];
    seen += imports.length;
    return imports
      .map(([, name = '']) => name)
      .filter((name) =>
        name.startsWith('.')
          ? !resolve(path, '..', name).startsWith(`${home}/`)
          : !named.has(/^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? '') &&
            !builtinModules.includes(name.replace('node:', '')) &&
            !['node:test', 'node:sqlite'].includes(name),
      )
      .map((name) => `${path.slice(home.length)}: ${name}`);
  });
  expect(seen).toBeGreaterThan(20);
  expect(strange).toEqual([]);
});
