// The compiler over `test/types/*.ts` and the code of the guides and recipes: fails for what must compile and does not, and for each
// `@ts-expect-error` under which nothing is wrong any more.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve, sep } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesOf, install, recipes, write } from '../docs/recipes.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'umbel-types-'));
install(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const files = readdirSync(import.meta.dirname).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
);
const guides = [
  'tasks',
  'python-and-typescript',
  'from-celery',
  'from-bullmq',
  'from-celery-node',
  'from-pg-boss',
  'from-graphile-worker',
  'from-agenda',
  'workflows',
];

/** A program as a user would write it, with the doors of this checkout. */
function fromHere(program: string): string {
  return program
    .replaceAll("'umbel'", `'${join(root, 'src/index.ts')}'`)
    .replace("'umbel/control'", `'${join(root, 'src/control/control.ts')}'`)
    .replace("'umbel/worker'", `'${join(root, 'src/worker/worker.ts')}'`)
    .replace("'../../src/index.ts'", `'${join(root, 'src/index.ts')}'`)
    .replace("'zod'", `'${join(root, 'node_modules/zod/index.js')}'`);
}

function written(name: string, program: string): string {
  const file = join(folder, name);
  writeFileSync(file, fromHere(program));
  return file;
}

/** What the compiler says of each file, with all that it explains; what they lead to is checked with the whole project. */
const said = new Map<string, string[]>();

// All in one run: most of it is the library itself.
beforeAll(() => {
  const tasks = readFileSync(join(import.meta.dirname, 'tasks.ts'), 'utf8');
  const programs = [
    ...recipes
      .flatMap((recipe) => write(join(folder, 'recipes', recipe), filesOf(recipe)))
      .filter((path) => path.endsWith('.ts')),
    ...files.map((name) => join(import.meta.dirname, name)),
    ...guides.map((name) => {
      const guide = readFileSync(join(root, `docs/guide/${name}.md`), 'utf8');
      const code = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block);
      return written(`${name}.guide.ts`, code.join('\n'));
    }),
    written('planted.ts', tasks.replace("await add.delay('1', 2);", 'await add.delay(1, 2);')),
    written('wrong.ts', wrong),
  ];
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')] };
  writeFileSync(
    config,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: [], files: programs }),
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const options = { encoding: 'utf8', cwd: root } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, [compiler, '-p', config], options);
  if (status !== 0 && !stdout.includes('error TS')) throw new Error(stderr + stdout);
  for (const complaint of stdout.split(/\n(?=\S)/)) {
    const [, file] = /^(\S+)\(\d+,\d+\): error TS/.exec(complaint) ?? [];
    if (file === undefined) continue;
    const name = file.split(`${sep}recipes${sep}`)[1]?.split(sep)[0] ?? basename(file);
    said.set(name, [...(said.get(name) ?? []), complaint]);
  }
}, 180_000);

/** Each line is wrong; the test below says what the compiler makes of it. */
const wrong = `
import { App, chain, chord, group } from 'umbel';
const app = new App('wrong');
const add = app.task('add', (x: number, y: number) => x + y);
const size = app.task('size', (text: string) => text.length);
const total = app.task('total', (all: readonly number[]) => all.length);
const show = app.task('show', (value: number) => String(value));
export const tooMany = chain(add.s(1, 2), add.s(3, 4));
export const noText = chain(add.s(1, 2), size.s());
export const noNumbers = chord([add.s(1, 2), show.s(3)], total.s());
export const noNumber = add.s('10');
export const sent = add.s(10).delay();
export const inGroup = chord(group([show.s(1)]), total.s());
export const needless = app.task('needless', { bind: true }, (x: number) => x);
export const misspelt = app.task('misspelt', { maxRetry: 3 }, (x: number) => x);
export const boundToo = app.task('boundToo', { bind: true, maxRetry: 3 }, (task, x: number) => [task.name, x]);
export const forgotten = app.task('forgotten', { maxRetries: 3 }, (task, x: number) => [task.name, x]);
export const worthless = app.task('worthless', { maxRetries: 'many' }, () => 1);
`;

describe('the types', () => {
  it.each(files)('of %s are what it says, and what must not compile does not', (name) => {
    expect(said.get(name)).toBeUndefined();
  });

  it.each(guides)('fit the code of the guide %s', (name) => {
    expect(said.get(`${name}.guide.ts`)).toBeUndefined();
  });

  it.each(recipes)('fit the code of the recipe %s', (name) => {
    expect(said.get(name)).toBeUndefined();
  });

  it('are really looked at: an expected error that does not come is found', () => {
    expect(said.get('planted.ts')).toEqual([
      expect.stringContaining("TS2578: Unused '@ts-expect-error' directive"),
    ]);
  });

  it.each([
    ['a step that is given too much', 'tooMany', "Type '[number]' is not assignable to type '[]'"],
    ['a step of another type', 'noText', "Type 'number' is not assignable to type 'string'"],
    ['a body of another type', 'noNumbers', "Type 'string' is not assignable to type 'number'"],
    ['an argument of another type', 'noNumber', "Type 'string' is not assignable to type 'number'"],
    ['a missing argument', 'sent', 'Expected 1 arguments, but got 0'],
    ['a body of a group', 'inGroup', "Type 'string' is not assignable to type 'number'"],
    ['code that does not take the task', 'needless', "Type 'BoundTask' is not assignable to type 'number'"],
    ['a name of an option', 'misspelt', "'maxRetry' does not exist in type 'TaskOptions"],
    ['one of a bound task', 'boundToo', "'maxRetry' does not exist in type 'TaskOptions"],
    ['code that takes a task it does not get', 'forgotten', "'task' is of type 'unknown'"],
    ['the value of an option', 'worthless', "Type 'string' is not assignable to type 'number'"],
  ])('say what is wrong with %s', (_, name, words) => {
    const lines = wrong.split('\n');
    const line = lines.findIndex((each) => each.includes(` ${name} `)) + 1;
    const complaints = (said.get('wrong.ts') ?? []).filter((each) => each.includes(`wrong.ts(${line},`));
    expect(complaints).toEqual([expect.stringContaining(words)]);
  });
});
