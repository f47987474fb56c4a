// The package in the projects that people have: compilers old and new, each way to find modules, and Jest as docs/recipes/testing.md sets it up.
// The compilers and Jest are installed in tools/ alone, by its own package-lock.json, so that the root's `npm ci` does not bring them.
import { spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bin, install, root } from '../../scripts/setup.mjs';
import { project } from '../cli/harness.ts';
import { compile, compiled, typescript56 } from './compile.ts';
import { pack, packedProject } from './packed.ts';

const tools = join(import.meta.dirname, 'tools');
const installed = join(tools, 'node_modules');
/** npm gets some hundred packages. */
const installMs = 300_000;

beforeAll(() => install(tools), installMs);

const compilers: Readonly<Record<string, string>> = {
  '5.4': join(installed, 'typescript-5.4/bin/tsc'),
  '5.6': typescript56,
  '5.9': join(installed, 'typescript/bin/tsc'),
  '7': bin('typescript', 'tsc'),
};
const resolutions = [
  { module: 'commonjs', moduleResolution: 'node10', esm: false },
  { module: 'node16', moduleResolution: 'node16', esm: true },
  { module: 'nodenext', moduleResolution: 'nodenext', esm: true },
  { module: 'nodenext', moduleResolution: 'nodenext', esm: false },
  { module: 'esnext', moduleResolution: 'bundler', esm: true },
  { module: 'preserve', moduleResolution: 'bundler', esm: true },
];
const cases = Object.keys(compilers).flatMap((version) =>
  resolutions.map((each) => ({ version, kind: each.esm ? 'ES modules' : 'CommonJS', ...each })),
);
/** What a compiler does not have: TypeScript 7 no `node10`, and `require` of ES modules came with 5.8. */
const refused = new Set([
  '7 commonjs node10',
  ...['5.4', '5.6'].map((version) => `${version} nodenext nodenext CommonJS`),
]);
const known = cases.filter(
  ({ version, module, moduleResolution, kind }) =>
    !refused.has(`${version} ${module} ${moduleResolution}`) &&
    !refused.has(`${version} ${module} ${moduleResolution} ${kind}`),
);

describe('compilers', () => {
  const packed = pack();
  const { folder, remove } = packedProject(packed);
  afterAll(() => {
    remove();
    packed.remove();
  });

  test.each(known)('TypeScript $version, $kind, $module found as $moduleResolution: compiles and runs', ({
    version,
    ...setup
  }) => {
    expect(compile(folder, { ...setup, tsc: compilers[version] ?? '' })).toBe('');
    const ran = spawnSync(process.execPath, ['main.js'], { cwd: folder, encoding: 'utf8' });
    expect(ran).toMatchObject({ stdout: '6\n', stderr: '' });
  });

  test.each(compiled)('%s compiles alone: it brings all that its declarations need', (entry) => {
    const setup = { module: 'nodenext', moduleResolution: 'nodenext', esm: true, imports: [entry] };
    expect(compile(folder, { ...setup, tsc: compilers['5.9'] ?? '' })).toBe('');
  });
});

describe('Jest', () => {
  /** The blocks of the page, by the name in their first line. */
  const files = [
    ...readFileSync(join(root, 'docs/recipes/testing.md'), 'utf8').matchAll(
      /^\/\/ (jest\.config\.js|jest\.setup\.js|tsconfig\.json)[^\n]*\n([^`]*?)(?=^```|\n\/\/ )/gm,
    ),
  ].map(([, name = '', text = '']) => ({ name, text }));
  const [javascript, modules, commonjs] = files.filter(({ name }) => name === 'jest.config.js');
  const textOf = (name: string): string => files.find((file) => file.name === name)?.text ?? '';

  const app = `import { App } from 'umbel';
export const app = new App('shop');
export const receipt = app.task('shop.receipt', { queue: 'mail' }, async (order) => 'receipt of ' + order);
`;
  const typed = app.replace('(order)', '(order: string)');
  const testOf = (path: string): string => `import { drain } from 'umbel/testing';
import { app, receipt } from '${path}';
afterAll(() => app.close());
test('the receipt is written', async () => {
  const sent = await receipt.delay('order 7');
  await drain(app);
  expect(await sent.get()).toBe('receipt of order 7');
});
`;

  test.each([
    {
      kind: 'JavaScript',
      type: 'module',
      files: { 'app.js': app, 'app.test.js': testOf('./app.js') },
      config: javascript,
    },
    {
      kind: 'ts-jest, ES modules',
      type: 'module',
      files: {
        'app.ts': typed,
        'app.test.ts': testOf('./app.js'),
        'tsconfig.json': textOf('tsconfig.json'),
      },
      config: modules,
    },
    {
      kind: 'ts-jest, CommonJS',
      type: 'commonjs',
      files: {
        'app.ts': typed,
        'app.test.ts': testOf('./app'),
        'tsconfig.json': JSON.stringify({
          compilerOptions: { module: 'commonjs', target: 'es2022', strict: true, esModuleInterop: true },
        }),
      },
      config: commonjs,
    },
  ])('$kind, as the page says', ({ type, files, config }) => {
    const folder = project(
      { ...files, 'jest.config.js': config?.text ?? '', 'jest.setup.js': textOf('jest.setup.js') },
      { type },
    );
    for (const name of ['@types', 'jest', 'ts-jest', 'typescript', '@jest'])
      symlinkSync(join(installed, name), join(folder, 'node_modules', name), 'dir');
    const ran = spawnSync(
      process.execPath,
      [join(installed, 'jest/bin/jest.js'), '--no-cache', '--cacheDirectory', join(folder, 'cache')],
      {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '--experimental-vm-modules' },
      },
    );
    expect(ran.stderr).toMatch(/Tests: +1 passed, 1 total/);
    expect(ran.status).toBe(0);
  });
});
