import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { project, shop, umbel } from './harness.ts';

test('--version prints the version of the package', async () => {
  const { code, stdout } = await umbel(project({}), ['--version']);
  expect([code, stdout]).toEqual([0, `${manifest.version}\n`]);
});

test('--help shows every command and examples that can be copied', async () => {
  const { code, stdout } = await umbel(project({}), ['--help']);
  expect(code).toBe(0);
  for (const word of ['worker', 'call', 'result', 'purge', 'dead', 'gateway', '-A, --app', 'Examples:']) {
    expect(stdout).toContain(word);
  }
});

test.each([
  ['worker'],
  ['call'],
  ['result'],
  ['purge'],
  ['dead'],
  ['gateway'],
  ['dead', 'list'],
  ['dead', 'replay'],
])('the help of %s %s names -A', async (...words) => {
  const { code, stdout } = await umbel(project({}), [...words, '--help']);
  expect(stdout).toContain('-A, --app');
  expect(code).toBe(0);
});

test('without a command the help is shown, as a mistake', async () => {
  const { code, stderr } = await umbel(project({}), []);
  expect(stderr).toContain('Usage: umbel');
  expect(code).toBe(2);
});

test.each<[args: string[], message: RegExp]>([
  [['wroker'], /unknown command 'wroker' \(Did you mean worker\?\)/],
  [['worker', '--concurency', '3'], /unknown option '--concurency' \(Did you mean --concurrency\?\)/],
  [['dead', 'lst'], /unknown command 'lst' \(Did you mean list\?\)/],
  [['call'], /missing required argument 'name'/],
  [
    ['worker', '-c', 'many'],
    /-c, --concurrency <number>.*'many' is invalid\. It must be a whole number from 1 up/,
  ],
  [['worker', '-c', '0'], /must be a whole number from 1 up/],
  [['worker', '-Q', 'a,,b'], /A queue name is empty/],
  [['worker', '-l', 'loud'], /Levels are trace, debug, info, warning/],
  [['worker', '-P', 'gevent'], /there is no pool 'gevent'; use 'async'/i],
  [['worker', '-P', 'fast'], /there is no pool 'fast'; there are async, solo, threads, processes/i],
  [['worker', '--time-limit', 'long'], /seconds, or a duration like/],
  [['call', 'x', '-a', '{"a": 1}'], /It must be a JSON array/],
  [['call', 'x', '-a', '[1,'], /It is not JSON \(/],
  [['call', 'x', '-k', '[1]'], /It must be a JSON object/],
  [['call', 'x', '--eta', 'tomorrow'], /It must be a time like/],
  [['call', 'x', '--countdown', '10 parsecs'], /seconds, or a duration/],
  [['call', 'x', '--priority', 'higher'], /It must be a whole number from 0 to 255, or one of urgent, high/],
  [['gateway', '--port', '99999'], /It must be a port/],
  [['dead', 'show', 'first'], /It must be a whole number from 1 up/],
  [['dead', 'replay'], /choose dead letters by ids, .* or by --all/],
  [['dead', 'discard', '1', '--all'], /give either ids or filter options, not both/],
  [['--workdir', './nowhere', 'dead', 'list'], /cannot change to the folder '\.\/nowhere'/],
])('umbel %j is refused with a way out, and exit code 2', async (args, message) => {
  const { code, stdout, stderr } = await umbel(project({ 'app.js': shop }), args);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^umbel: .*\[UMBEL_USAGE\]$/m);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

test.each([
  ['-A ./app.js dead list --json'],
  ['dead -A ./app.js list --json'],
  ['dead list -A ./app.js --json'],
  ['--json dead list --app=./app.js'],
  ['dead --json list -A./app.js'],
])('common options may stand anywhere: umbel %s', async (line) => {
  const { stdout, code } = await umbel(project({ 'app.js': shop }), line.split(' '));
  expect(stdout).toBe('[]\n');
  expect(code).toBe(0);
});

test('a broker that is unknown is an error with a code, not a stack', async () => {
  const { stderr, code } = await umbel(project({}), [
    '-b',
    'carrier-pigeon://user:secret@loft',
    'dead',
    'list',
  ]);
  expect(stderr).toMatch(/^umbel: .*\[UMBEL_CONFIG\]\n$/);
  expect(stderr).not.toContain('secret');
  expect(code).toBe(1);
});

test('a broker given by -b that the App does not read is said, not ignored', async () => {
  const folder = project({
    'app.js': shop.replace("App('shop')", "App('shop', { broker: 'sqlite://own.db' })"),
  });
  const { stderr, code } = await umbel(folder, [
    '-A',
    './app.js',
    '-b',
    'sqlite://other.db',
    'call',
    'shop.add',
  ]);
  expect(stderr).toContain('names its own broker');
  expect(code).toBe(1);
});

test('a command that ends with who started it leaves the process of the tests alive', async () => {
  const pipes = (): number => process.getActiveResourcesInfo().filter((name) => /^Pipe/.test(name)).length;
  const before = pipes();
  const { stderr } = await umbel(project({ 'app.js': '' }), ['-A', './app.js', 'worker']);
  expect(stderr).toContain('exports no App');
  expect(before).toBeGreaterThan(0);
  expect(pipes()).toBe(before);
});
