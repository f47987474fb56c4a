// The package as npm publishes it: nothing that is needed at run time is left out. Compilers: scripts/check.mjs has the newest,
// matrix.long.test.ts all of them.
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { version } from '../../src/lib/version.ts';
import { Program, project } from '../cli/harness.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { entries, pack, packedProject, runtimePackages } from './packed.ts';

const packed = pack();
afterAll(packed.remove);

test('the packed package runs tasks in a project that has nothing else', async () => {
  const { folder, remove } = packedProject(packed);
  onTestFinished(remove);
  const modules = join(folder, 'node_modules');
  const files = readdirSync(join(modules, 'umbel'), { recursive: true, encoding: 'utf8' });
  expect(files.filter((path) => /\.map$|tsbuildinfo/.test(path))).toEqual([]);
  const umbel = join(modules, 'umbel/dist/cli/main.js');
  expect((await new Program([umbel, '--version'], folder).ended).stdout).toBe(`${version}\n`);
  const call = [umbel, 'call', 'shop.add', '--json'];
  if (!isBuiltin('node:sqlite')) {
    expect(await new Program(call, folder).ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has no built-in SQLite, .*: npm install @photostructure\/sqlite\./),
    });
    symlinkSync(join(root, 'node_modules/@photostructure'), join(modules, '@photostructure'));
  }
  expect(await new Program(call, folder).ended).toMatchObject({ code: 0, stderr: '' });

  writeFileSync(
    join(folder, 'app.ts'),
    `import { App } from 'umbel'; enum Size { Small = 1 } export const app = new App('shop'); app.task('shop.' + Size[1], () => 1);`,
  );
  const tasks = [umbel, '-A', './app.ts', 'list', 'bindings', '--json'];
  expect(await new Program(tasks, folder).ended).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /cannot load '\.\/app\.ts': .*the package tsx.*: npm install tsx \[UMBEL_LOAD\]\n$/,
    ),
  });
  symlinkSync(join(root, 'node_modules/tsx'), join(modules, 'tsx'));
  expect(await new Program(tasks, folder).ended).toMatchObject({ code: 0, stderr: '' });
});

test('the first program of the README runs as it is written there', async () => {
  const { folder, remove } = packedProject(packed);
  onTestFinished(remove);
  const modules = join(folder, 'node_modules');
  for (const name of ['tsx', '@photostructure'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name), 'dir');
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const [, text = '', name = ''] of readme.matchAll(/^```ts\n(\/\/ (\w+\.ts)\n[\s\S]*?)^```/gm))
    writeFileSync(join(folder, name), text);
  const entries: Readonly<Record<string, string>> = {
    umbel: 'umbel/dist/cli/main.js',
    tsx: 'tsx/dist/cli.mjs',
  };
  const [worker, main] = [...readme.matchAll(/^npx (umbel|tsx) (.*?) +#/gm)].map(
    ([, command = '', args = '']) =>
      new Program([join(modules, entries[command] ?? ''), ...args.split(' ')], folder),
  );
  await worker?.said(/takes up to 8 tasks from celery, slow/);
  expect(await main?.ended).toMatchObject({ code: 0, stdout: '5\n', stderr: '' });
});

needs(test, inLongRun)(
  'init in a project that has the package from a file puts that file into the new project',
  async () => {
    const { folder, remove } = packedProject(packed);
    onTestFinished(remove);
    const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
    const umbel = join(folder, 'node_modules/umbel/dist/cli/main.js');
    const read = (path: string): string => readFileSync(join(folder, path), 'utf8');
    const npm = 'node_modules/.package-lock.json';
    for (const [project, template, noted, from, dependency] of [
      ['small', 'minimal', npm, `file:${tarball}`, `file:${tarball}`],
      ['whole', 'service', npm, `file:${tarball}`, `file:${tarball}`],
      ['registry', 'minimal', npm, 'https://registry.example/umbel.tgz', `^${version}`],
      ['gone', 'minimal', npm, 'file:../gone.tgz', `^${version}`],
      ['pnpm', 'minimal', 'package.json', `file:${tarball}`, `file:${tarball}`],
      ['yarn', 'minimal', 'package.json', `./${tarball}`, `file:${tarball}`],
      ['range', 'minimal', 'package.json', `^${version}`, `^${version}`],
    ] as const) {
      writeFileSync(join(folder, npm), '{}');
      const notes = { packages: { 'node_modules/umbel': { resolved: from } }, dependencies: { umbel: from } };
      writeFileSync(join(folder, noted), JSON.stringify(notes));
      const init = [umbel, 'init', project, '--template', template];
      expect(await new Program(init, folder).ended).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(read(`${project}/package.json`)).dependencies.umbel).toBe(dependency);
      const isFile = dependency.startsWith('file:');
      expect(existsSync(join(folder, project, tarball))).toBe(isFile);
      expect(read(`${project}/Dockerfile`).includes(`COPY package*.json ${tarball} ./`)).toBe(isFile);
    }
  },
);

test('a CommonJS project: require() gives every entry point, with the names that import gives', async () => {
  const { folder, remove } = packedProject(packed);
  onTestFinished(remove);
  const program = `
    const entries = ${JSON.stringify(entries.filter((entry) => entry !== 'umbel/otel'))};
    const namesOf = (module) => Object.keys(module).filter((name) => name !== '__esModule').sort().join();
    (async () => {
      for (const entry of entries)
        if (namesOf(require(entry)) !== namesOf(await import(entry))) console.log(entry);
      console.log('compared', entries.length);
    })();`;
  expect(await new Program(['--input-type=commonjs', '-e', program], folder).ended).toMatchObject({
    stdout: `compared ${entries.length - 1}\n`,
  });
});

test('it brings as few packages as the documentation says', () => {
  const says = /(\d+) packages and \d+ MB\./.exec(readFileSync(join(root, 'docs/faq.md'), 'utf8'))?.[1];
  expect(runtimePackages().length + 1).toBe(Number(says));
});

test('the version in the code is that of the package', () => {
  expect(version).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
});

test('older compilers, which do not read "exports", find the same entry points', () => {
  const { exports, main, types, typesVersions } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const { '.': first, ...others }: Readonly<Record<string, { types: string; default: string }>> = exports;
  expect({ types, default: main }).toEqual(first);
  const entries = Object.entries(others).filter(([path]) => !path.endsWith('.json'));
  expect(typesVersions).toEqual({
    '*': Object.fromEntries(entries.map(([path, entry]) => [path.slice(2), [entry.types]])),
  });
});

needs(describe, noRedis)('bundled into one file by esbuild', () => {
  // What tsx brings.
  const esbuild = createRequire(createRequire(import.meta.url).resolve('tsx'))('esbuild');

  const program = `import { App } from 'umbel';
import { Worker } from 'umbel/worker';
const app = new App('shop');
const add = app.task('shop.add', (x: number, y: number) => x + y);
async function main() {
  const sum = await add.delay(2, 3);
  const pool = process.argv[2] as 'async' | 'threads' | 'processes';
  const worker = new Worker(app, { pool, module: './app.js' });
  try {
    await worker.start();
    console.log('sum', await sum.get({ timeout: 60 }));
  } catch (error) {
    console.log(String(error));
  }
  await worker.stop();
  await app.close();
}
void main();
`;

  test.each<readonly [format: string, name: string, banner: string]>([
    [
      'esm',
      'out.mjs',
      'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    ],
    ...(isLong ? [['cjs', 'out.cjs', ''] as const] : []),
  ])('%s: a sender and a worker run; a pool that needs files of its own says what to do', async (format, name, banner) => {
    const folder = project({ 'main.ts': program });
    await esbuild.build({
      entryPoints: [join(folder, 'main.ts')],
      outfile: join(folder, name),
      bundle: true,
      platform: 'node',
      format,
      banner: { js: banner },
      external: ['pg-native', '@photostructure/sqlite'],
      logLevel: 'error',
    });
    rmSync(join(folder, 'node_modules'), { recursive: true });
    expect(existsSync(join(folder, 'node_modules'))).toBe(false);
    await using server = await RedisServerProcess.shared();
    const env = { UMBEL_BROKER_URL: server.url(), UMBEL_RESULT_BACKEND: server.url() };
    const run = (pool: string) => new Program([join(folder, name), pool], folder, { env }).ended;
    expect(await run('threads')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/leave umbel out of the bundle/),
    });
    expect(await run('processes')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/leave umbel out of the bundle/),
    });
    expect(await run('async')).toMatchObject({ code: 0, stdout: 'sum 5\n' });
  });
});
