import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../e2e/harness/built.ts';
import { Program, project, umbel } from './harness.ts';

/** What `npm install` would put there. */
function install(folder: string): void {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules/umbel'), 'dir');
  for (const name of ['tsx', 'typescript', '@types/node'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'dir');
}

test('init writes a project whose own commands work: it starts, tests, and compiles', async () => {
  const home = project({});
  const { code, stdout } = await umbel(home, ['init', 'shop']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('Now: cd shop && npm install && npm start')]);
  const shop = join(home, 'shop');
  install(shop);
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
  const started = await new Program([tsx, '--env-file-if-exists=.env', 'src/main.ts'], shop).ended;
  expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('2 + 3 = 5\n') });
  const tested = await new Program([tsx, '--test', 'test/app.test.ts'], shop).ended;
  expect(tested.stdout).toMatch(/# pass 2\n# fail 0/);
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit'], { cwd: shop });
});

test('init writes what the chosen store needs', async () => {
  const home = project({});
  await umbel(home, ['init', 'a', '--store', 'redis']);
  await umbel(home, ['init', 'b', '--store', 'rabbitmq', '--name', 'parcels']);
  const read = (path: string): string => readFileSync(join(home, path), 'utf8');
  expect(read('a/.env')).toBe(
    'UMBEL_BROKER_URL=redis://localhost:6379/0\nUMBEL_RESULT_BACKEND=redis://localhost:6379/1\n',
  );
  const compose = parse(read('b/compose.yaml'));
  expect(Object.keys(compose.services)).toEqual(['worker', 'beat', 'rabbitmq']);
  expect(compose.services.worker.environment.UMBEL_BROKER_URL).toBe('amqp://guest:guest@rabbitmq:5672//');
  expect(parse(read('a/compose.yaml')).services.worker.depends_on).toEqual(['redis']);
  expect(read('b/src/app.ts')).toContain("new App('parcels'");
});

test('init leaves a folder alone in which there is something, and says what a name must be', async () => {
  const home = project({ 'app.js': '' });
  expect(await umbel(home, ['init'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/is not empty/),
  });
  expect(existsSync(join(home, 'Dockerfile'))).toBe(false);
  expect(await umbel(home, ['init', 'x', '--name', 'Ünicode'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/cannot be a name/),
  });
});
