// The application that is found where nobody names it.
import { expect, test } from 'vitest';
import { findApp } from '../../src/cli/find-app.ts';
import { project, shop, umbel, workerOf } from './harness.ts';

const server = "import { createServer } from 'node:http'; createServer().listen(0);";

test.each<[files: string[], found: string | undefined]>([
  [['app.ts'], './app.ts'],
  [['src/app.ts'], './src/app.ts'],
  [['src/app.ts', 'app.js'], './app.js'],
  [['app.js', 'app.ts'], './app.ts'],
  [['src/app.cjs', 'src/app.mjs'], './src/app.mjs'],
  [['lib/app.ts', 'main.ts'], undefined],
])('of %j it is %s', (files, found) => {
  const folder = project(Object.fromEntries(files.map((file) => [file, shop])));
  expect(findApp(folder)).toBe(found);
});

test('a program that happens to be called app.js is not started', () => {
  expect(findApp(project({ 'app.js': server, 'src/app.js': shop }))).toBe('./src/app.js');
});

test('commands find the application of the folder, and of --workdir', async () => {
  const folder = project({ 'src/app.js': shop });
  const listed = await umbel(folder, ['schedule', 'list', '--json']);
  expect([listed.code, listed.stdout]).toEqual([0, '[]\n']);
  const typo = await umbel('/', ['--workdir', folder, 'call', 'shop.ad']);
  expect(typo.stderr).toContain("did you mean 'shop.add'?");
});

test('-A and UMBEL_APP win over what is found', async () => {
  const folder = project({ 'app.js': shop, 'other.js': shop.replaceAll('shop.add', 'shop.sum') });
  const args = ['call', 'shop.su'];
  expect((await umbel(folder, ['-A', './other.js', ...args])).stderr).toContain("did you mean 'shop.sum'?");
  const env = { UMBEL_APP: './other.js' };
  expect((await umbel(folder, args, { env })).stderr).toContain("did you mean 'shop.sum'?");
});

test('a broker of -b is looked at without the application, unless the command needs it', async () => {
  const own = shop.replace("App('shop')", "App('shop', { broker: 'sqlite://own.db' })");
  const folder = project({ 'app.js': own });
  const listed = await umbel(folder, ['-b', 'sqlite://other.db', 'dead', 'list', '--json']);
  expect([listed.code, listed.stdout]).toEqual([0, '[]\n']);
  const beat = await umbel(folder, ['-b', 'sqlite://other.db', 'beat']);
  expect(beat.stderr).toContain("'./app.js' names its own broker");
});

test('the broker that the application names is the one that commands look at', async () => {
  const folder = project({
    'app.js': shop.replace("App('shop')", "App('shop', { broker: 'sqlite://own.db' })"),
  });
  await workerOf(folder, {}, { env: { UMBEL_BROKER_URL: '' } });
  expect((await umbel(folder, ['inspect', 'ping'])).code).toBe(0);
});

test('an application that was found and does not load is said, with the ways out', async () => {
  const { code, stderr } = await umbel(project({ 'app.js': "import 'umbel'; export const = 1;" }), [
    'dead',
    'list',
  ]);
  expect(stderr).toMatch(/^umbel: cannot load '.\/app.js': .*found here; -A .* -b .*\[UMBEL_LOAD\]\n$/);
  expect(code).toBe(1);
});

test.each<[files: Record<string, string>, command: string[], why: string]>([
  [{}, ['worker'], 'there is no ./app.ts or ./src/app.ts (nor .mts, .js, .mjs, .cts, .cjs) in '],
  [{}, ['gateway'], 'there is no ./app.ts or ./src/app.ts'],
  [{}, ['beat'], 'there is no ./app.ts or ./src/app.ts'],
  [{}, ['schedule', 'list'], 'there is no ./app.ts or ./src/app.ts'],
  [{ 'app.js': server }, ['worker'], './app.js does not import umbel'],
])('with the files %j umbel %j says what was looked for', async (files, command, why) => {
  const { code, stderr } = await umbel(project(files), command);
  expect(stderr).toContain(
    'this command needs your application: -A ./app.ts (the module that exports your App); ',
  );
  expect(stderr).toContain(why);
  expect(code).toBe(2);
});
