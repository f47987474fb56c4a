// What the bundler must not change.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

test('an error class keeps its name, which people and Python see', async () => {
  const rooms = join(root, 'build', 'rooms');
  const wrong: string[] = [];
  let errors = 0;
  for (const file of readdirSync(rooms).filter((name) => name.endsWith('.js'))) {
    const all: Record<string, unknown> = await import(pathToFileURL(join(rooms, file)).href);
    for (const [alias, value] of Object.entries(all)) {
      if (typeof value !== 'function' || !(value.prototype instanceof Error)) continue;
      errors++;
      if (!alias.endsWith(`_${value.name}`)) wrong.push(`${alias} is called ${value.name}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(errors).toBeGreaterThan(30);
});

test.each([
  ['index.js', 12],
  ['worker/pools/child/main.js', 20],
  ['cli/main.js', 24],
])('%s loads at most %i files: each costs a quarter of a millisecond at each start', (entry, most) => {
  const loaded = loadedBy(entry);
  expect(loaded.length).toBeGreaterThan(3);
  expect(loaded.map((file) => relative(root, file)).slice(most)).toEqual([]);
});

test('who imports App loads little: what runs tasks, reads Redis or sends groups without end comes when it is needed', () => {
  const sizes = loadedBy('index.js').map(
    (file) => transformSync(readFileSync(file, 'utf8'), { minify: true, format: 'esm' }).code.length,
  );
  const kilobytes = sizes.reduce((sum, size) => sum + size, 0) / 1000;
  expect(kilobytes).toBeGreaterThan(100);
  expect(kilobytes).toBeLessThan(228);
});

/** The files of the package that are loaded with this one, itself among them. */
function loadedBy(entry: string): readonly string[] {
  const loaded = new Set([join(root, 'dist', entry)]);
  for (const file of loaded)
    for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export|\}) ?[^'"]*?["'](\.\.?\/[^'"]*[A-Z0-9]{8}\.js)["'];$/gm,
    ))
      loaded.add(join(file, '..', path));
  return [...loaded];
}
