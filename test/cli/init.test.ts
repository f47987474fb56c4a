import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { findApp } from '../../src/cli/find-app.ts';
import { version } from '../../src/lib/version.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';
import { Program, project, umbel } from './harness.ts';

/** What `npm install` would put there. */
function install(folder: string): void {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(name === 'umbel' ? root : join(root, 'node_modules', name), link, 'dir');
  }
}

function compile(folder: string): void {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit'], {
    cwd: folder,
  });
}

function lint(folder: string): void {
  execFileSync(process.execPath, [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'check'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

test('init writes a project whose own commands work: it starts, tests, compiles, and has the style that it asks for', async () => {
  const home = project({});
  const { code, stdout } = await umbel(home, ['init', 'shop']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('Now: cd shop && npm install && npm start')]);
  const shop = join(home, 'shop');
  expect(findApp(shop)).toBe('./src/app.ts'); // by npm run dev
  install(shop);
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
  const started = await new Program([tsx, '--env-file-if-exists=.env', 'src/main.ts'], shop).ended;
  expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('2 + 3 = 5\n') });
  const tested = await new Program([tsx, '--test', 'test/app.test.ts'], shop).ended;
  expect(tested.stdout).toMatch(/[#ℹ] pass 2\n[#ℹ] fail 0/); // newer versions of Node report in another form
  compile(shop);
  lint(shop);
});

needs(test, inLongRun)('init writes a workflow that runs, and whose tests and types are right', async () => {
  const home = project({});
  expect(await umbel(home, ['init', 'sales', '--template', 'workflow'])).toMatchObject({ code: 0 });
  const sales = join(home, 'sales');
  install(sales);
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
  const started = await new Program([tsx, '--env-file-if-exists=.env', 'src/main.ts'], sales).ended;
  expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('sold in all: 1400\n') });
  const tested = await new Program([tsx, '--test', 'test/app.test.ts'], sales).ended;
  expect(tested.stdout).toMatch(/[#ℹ] pass 2\n[#ℹ] fail 0/); // newer versions of Node report in another form
  compile(sales);
  lint(sales);
  expect(await umbel(home, ['init', 'x', '--template', 'workflow', '--store', 'rabbitmq'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/RabbitMQ keeps no results/),
  });
});

test('a project has the SQLite that its Node lacks, and a README with the commands of its package manager', async () => {
  const home = project({});
  const dependencies = (folder: string): object =>
    JSON.parse(readFileSync(join(home, folder, 'package.json'), 'utf8')).dependencies;
  for (const template of ['minimal', 'service']) {
    await umbel(home, ['init', template, '--template', template]);
    expect('@photostructure/sqlite' in dependencies(template)).toBe(!isBuiltin('node:sqlite'));
  }
  const { stdout } = await umbel(home, ['init', 'shop', '--package-manager', 'pnpm']);
  expect(stdout).toContain('Now: cd shop && pnpm install && pnpm start');
  const readme = readFileSync(join(home, 'shop/README.md'), 'utf8');
  expect(readme).toContain('pnpm run dev ');
  expect(readme).toContain('`pnpm exec umbel call');
  expect(readme).not.toMatch(/\bnpm |npx/);
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

test('init writes a service of examples/service: another name, nothing of the clone; in the long run its tests, types and style are right', async () => {
  const home = project({});
  const { code, stdout } = await umbel(home, ['init', 'parcels', '--template', 'service', '--json']);
  expect(code).toBe(0);
  const { files }: { files: readonly string[] } = JSON.parse(stdout);
  expect(files).toEqual(expect.arrayContaining(['.env.example', 'compose.yaml', 'src/app.ts', 'start.mjs']));
  expect(files).toContain('deploy/systemd/parcels-worker@.service');
  const parcels = join(home, 'parcels');
  for (const path of files) {
    const text = readFileSync(join(parcels, path), 'utf8');
    expect([path, /umbel-service|"file:|\.\.\/\.\.|clone -->/.exec(text)?.[0]]).toEqual([path, undefined]);
  }
  const manifest = JSON.parse(readFileSync(join(parcels, 'package.json'), 'utf8'));
  expect(manifest).toMatchObject({ name: 'parcels', dependencies: { umbel: `^${version}` } });
  expect(Object.keys(manifest.scripts)).toEqual(['start', 'test', 'types', 'build', 'lint']);
  if (isLong) {
    install(parcels);
    compile(parcels);
    lint(parcels);
    const tested = await new Program(['--import', 'tsx', '--test', 'test/service.test.ts'], parcels).ended;
    expect(tested.stdout).toMatch(/# fail 0/);
  }
  expect(await umbel(home, ['init', 'x', '--template', 'service', '--store', 'rabbitmq'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/is made for Redis/),
  });
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
