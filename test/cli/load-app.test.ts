import { expect, test } from 'vitest';
import { project, shop, umbel, umbelProcess } from './harness.ts';

const app = `import { App } from 'umbel';\n`;

/** Sends a task of the application, which only works if it was found. */
async function add(folder: string, spec: string, env: Record<string, string> = {}) {
  return umbel(folder, ['-A', spec, 'call', 'shop.add', '-a', '[1, 2]'], { env });
}

const idLine = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;

test.each([
  './app.js',
  'app.js',
  './app',
  'app',
  'app:app',
  './app.ts',
])('the application of app.js is found as %s', async (spec) => {
  const { code, stdout, stderr } = await add(project({ 'app.js': shop }), spec);
  expect(stderr).toBe('');
  expect(stdout).toMatch(idLine);
  expect(code).toBe(0);
});

test.each([
  'shop',
  './shop',
  'shop/app',
  './shop/app.js',
])('the application of shop/app.js is found as %s', async (spec) => {
  expect((await add(project({ 'shop/app.js': shop }), spec)).stdout).toMatch(idLine);
});

test('an application may be the default export, or the only App under any name', async () => {
  const folder = project({
    'default.js': shop.replace('export const app =', 'const app =').concat('export default app;'),
    'other.js': `${shop.replace('export const app', 'const app')} export { app as celery };`,
  });
  expect((await add(folder, './default.js')).stdout).toMatch(idLine);
  expect((await add(folder, './other.js')).stdout).toMatch(idLine);
});

test('an installed package can hold the application', async () => {
  const folder = project({
    'node_modules/shop-app/package.json': JSON.stringify({
      name: 'shop-app',
      type: 'module',
      main: 'main.js',
    }),
    'node_modules/shop-app/main.js': shop,
  });
  expect((await add(folder, 'shop-app')).stdout).toMatch(idLine);
});

test('UMBEL_APP names the application when -A does not', async () => {
  const folder = project({ 'app.js': shop });
  const { code } = await umbel(folder, ['call', 'shop.nothing'], { env: { UMBEL_APP: './app.js' } });
  expect(code).toBe(1);
});

test('a TypeScript application with enums, decorators and parameter properties runs as it is', async () => {
  const folder = project({
    'app.ts': `${app}
      enum Size { Small = 1, Large = 10 }
      function logged(value: (x: number) => number, _context: ClassMethodDecoratorContext) { return value; }
      class Sizes {
        constructor(private readonly factor: Size) {}
        @logged times(x: number): number { return x * this.factor; }
      }
      export const app = new App('shop');
      const sizes: Sizes = new Sizes(Size.Large);
      app.task('shop.add', (x: number, y: number): number => sizes.times(x + y));`,
  });
  const { stdout, stderr } = await add(folder, './app.ts');
  expect(stderr).toBe('');
  expect(stdout).toMatch(idLine);
});

test.each([
  ['enums', 'enum Size { Small = 1 } export const factor: number = Size.Small;'],
  [
    'decorators',
    'function own(_: unknown, _context: ClassDecoratorContext) {} @own class Sizes { small = 1; } export const factor: number = new Sizes().small;',
  ],
  ['using', '{ using _held = { [Symbol.dispose]() {} }; } export const factor: number = 1;'],
])('so does one whose other modules have %s', async (_, module) => {
  const folder = project({
    'app.ts': `${app} import { factor } from './factor.ts';
      export const app = new App('shop');
      app.task('shop.add', (x: number, y: number): number => (x + y) * factor);`,
    'factor.ts': module,
  });
  const { stdout, stderr } = await add(folder, './app.ts');
  expect(stderr).toBe('');
  expect(stdout).toMatch(idLine);
});

test("a TypeScript application may import './tasks.js' for tasks.ts, and use the paths of its tsconfig", async () => {
  const folder = project({
    'tsconfig.json': JSON.stringify({ compilerOptions: { paths: { '#shop/*': ['./lib/*'] } } }),
    'app.ts': "export { app } from './tasks.js';",
    'tasks.ts': `${app} import { factor } from '#shop/factor.ts';
      export const app = new App('shop');
      app.task('shop.add', (x: number, y: number): number => (x + y) * factor);`,
    'lib/factor.ts': 'export const factor: number = 1;',
  });
  const { stdout, stderr } = await add(folder, './app.ts');
  expect(stderr).toBe('');
  expect(stdout).toMatch(idLine);
});

test('a TypeScript application in a package that is not of type module runs, too', async () => {
  const typed = `${app} export const app = new App('shop'); app.task('shop.add', (x: number, y: number) => x + y);`;
  const { stdout, stderr } = await add(project({ 'app.ts': typed }, { name: 'shop' }), './app.ts');
  expect(stderr).not.toContain('umbel:'); // newer versions of Node advise to set the type
  expect(stdout).toMatch(idLine);
});

test('a CommonJS application runs', async () => {
  const folder = project({
    'app.cjs': `const { App } = require('umbel'); const app = new App('shop');
      app.task('shop.add', (x, y) => x + y); module.exports = { app };`,
  });
  // In a process of its own, as modules of CommonJS are loaded once.
  const { stdout, stderr } = await umbelProcess(folder, [
    '-A',
    './app.cjs',
    'call',
    'shop.add',
    '-a',
    '[1, 2]',
  ]);
  expect(stderr).not.toContain('umbel:');
  expect(stdout).toMatch(idLine);
});

test('modules named by include are loaded with the application, relative to it', async () => {
  const folder = project({
    'src/app.js': `${app} export const app = new App('shop', { include: ['./tasks.js'] });`,
    'src/tasks.js': "import { app } from './app.js'; app.task('shop.add', (x, y) => x + y);",
  });
  const { stdout, stderr } = await add(folder, 'src/app.js');
  expect(stderr).toBe('');
  expect(stdout).toMatch(idLine);
});

test.each<[title: string, files: Record<string, string>, spec: string, message: string]>([
  ['a file that is not there', { 'app.js': shop }, './ap.js', "did you mean 'app.js'?"],
  ['a module without an App', { 'app.js': 'export const x = 1;' }, './app.js', "'./app.js' exports no App"],
  [
    'a module with two Apps',
    { 'app.js': `${app} export const one = new App('one'); export const two = new App('two');` },
    './app.js',
    "'./app.js' exports several Apps (one, two); choose one: -A ./app.js:one",
  ],
  [
    'an export that is not there',
    { 'app.js': shop },
    './app.js:ap',
    "has no export 'ap'; did you mean 'app'?",
  ],
  [
    'an export that is no App',
    { 'app.js': 'export const app = 1;' },
    './app.js:app',
    "the export 'app' of './app.js' is no App",
  ],
  [
    'a mistake in TypeScript',
    { 'app.ts': 'export const app = 1;\nexport const = 2;' },
    './app.ts',
    'app.ts:2:',
  ],
  [
    'a mistake in JavaScript',
    { 'app.js': 'export const app = 1;\nexport const = 2;' },
    './app.js',
    'app.js:2',
  ],
  [
    'an error while it loads',
    { 'app.js': "\nfunction open() {\n  throw new TypeError('no database');\n}\nopen();" },
    './app.js',
    "cannot load './app.js': TypeError: no database (app.js:3:",
  ],
  ['an import that is not there', { 'app.js': "import './missing.js';" }, './app.js', 'missing.js'],
  [
    'the same task twice',
    { 'app.js': `${shop} app.task('shop.add', () => 1);` },
    './app.js',
    "a task named 'shop.add' is already registered",
  ],
])('%s is said in one line with the way out', async (_, files, spec, message) => {
  const { code, stdout, stderr } = await add(project(files), spec);
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/^umbel: [^\n]+ \[UMBEL_LOAD\]\n$/);
  expect(stdout).toBe('');
  expect(code).toBe(1);
});

test('a worker does not start when a module of its tasks cannot be imported', async () => {
  const folder = project({
    'app.js': `${app} export const app = new App('shop', { include: ['./tasks.js'] });`,
    'tasks.js': "import './missing.js';",
  });
  const { code, stderr } = await umbelProcess(folder, ['-A', './app.js', 'worker']);
  expect(stderr).toMatch(/^umbel: [^\n]*tasks\.js[^\n]*missing\.js[^\n]* \[UMBEL_LOAD\]\n$/);
  expect(code).toBe(1);
});

test('--debug shows the stack of the error', async () => {
  const folder = project({ 'app.js': "\nthrow new TypeError('no database');" });
  const { stderr } = await umbelProcess(folder, ['-A', './app.js', 'call', 'x', '--debug']);
  expect(stderr).toMatch(/TypeError: no database\n\s+at .*app\.js:2/);
});
