// Each recipe of docs/recipes is a program: it runs on an embedded store of its own, with the package as a user has it, and prints what
// its comments say. A recipe with tests has them run. test/types compiles the same code.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../servers/redis.ts';
import { until } from '../until.ts';
import { filesOf, install, recipes, write } from './recipes.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-recipes-'));
install(folder);
const port = String(await freePort());

afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe.each(recipes)('the recipe %s', async (recipe) => {
  const place = join(folder, recipe);
  const files = new Map(
    [...filesOf(recipe)].map(([name, code]) => [
      name,
      code.replaceAll("'/tmp/", `'${place}/`).replaceAll('2525', port),
    ]),
  );
  const paths = write(place, files);
  const tests = paths.filter((path) => path.endsWith('.test.ts'));
  for (const path of tests) await import(path); // what they test becomes tests of this file
  if (tests.length > 0) return;

  test('prints what it says', async () => {
    const promised = [...files.values()].flatMap((code) =>
      [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line),
    );
    expect(promised.length).toBeGreaterThan(0);
    vi.stubEnv('UMBEL_BROKER_URL', `sqlite://${join(place, 'store.db')}`);
    const printed: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
      printed.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
    });
    await import(paths.find((path) => basename(path).startsWith('main.')) ?? '');
    await until(
      () => printed.length >= promised.length,
      () => `the output of the recipe; so far ${printed}`,
    );
    expect(printed).toEqual(promised);
  });
});
