// Each recipe of docs/recipes is a program: it runs on an embedded store of its own, with the package as a user has it, and prints what
// its comments say. A recipe with tests has them run. test/types compiles the same code.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../servers/redis.ts';
import { until } from '../until.ts';
import { filesOf, install, recipes, root, write } from './recipes.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-recipes-'));
install(folder);
const port = String(await freePort());

const { UMBEL_BROKER_URL: broker } = process.env;

afterAll(() => {
  // The recipe of tests says memory:// for its process.
  if (broker === undefined) delete process.env.UMBEL_BROKER_URL;
  else process.env.UMBEL_BROKER_URL = broker;
  rmSync(folder, { recursive: true });
});
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

test.each(recipes)('the recipe %s says which packages to install', (recipe) => {
  const page = readFileSync(join(root, 'docs/recipes', `${recipe}.md`), 'utf8');
  const installed = [...page.matchAll(/npm install (?:-D )?([^`\n]+)/g)].flatMap(([, names = '']) =>
    names.split(' '),
  );
  const imported = [...page.matchAll(/^import .*from '(@[^/']+\/[^/']+|[^./'@][^/':]*)['/]/gm)].map(
    ([, name]) => name,
  );
  // A project with Umbel, and one of `nest new`, have these.
  const given = ['umbel', '@photostructure/sqlite', '@nestjs/common', '@nestjs/core'];
  const missing = imported.filter(
    (name = '') => ![...installed, ...given].includes(name) && !isBuiltin(name),
  );
  expect(missing).toEqual([]);
});

test('a module of the recipe nextjs may be loaded again', async () => {
  const [path = ''] = write(
    join(folder, 'again'),
    new Map([...filesOf('nextjs')].filter(([name]) => name === 'kept-tasks.ts')),
  );
  const first = await import(path);
  vi.resetModules();
  const second = await import(path);
  expect(second).not.toBe(first);
  expect(second.resize).toBe(first.resize);
});
