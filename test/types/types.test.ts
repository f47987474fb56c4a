// The compiler over `test/types/*.ts`: fails for what must compile and does not, and for each `@ts-expect-error`
// under which nothing is wrong any more.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'umbel-types-'));
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
afterAll(() => rmSync(folder, { recursive: true }));

/** A program as a user would write it, with the doors of this checkout. */
function fromHere(program: string): string {
  return program
    .replace("'umbel'", `'${join(root, 'src/index.ts')}'`)
    .replace("'umbel/worker'", `'${join(root, 'src/worker/worker.ts')}'`)
    .replace("'../../src/index.ts'", `'${join(root, 'src/index.ts')}'`)
    .replace("'zod'", `'${join(root, 'node_modules/zod/index.js')}'`);
}

/** The compiler's complaints about a file; what it leads to is checked with the whole project. */
function complaints(file: string): string[] {
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')] };
  writeFileSync(
    config,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: [], files: [file] }),
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout, stderr, status } = spawnSync(process.execPath, [compiler, '-p', config], {
    encoding: 'utf8',
    cwd: root,
  });
  if (status !== 0 && !stdout.includes('error TS')) throw new Error(stderr + stdout);
  return stdout.split('\n').filter((line) => line.includes('error TS') && line.includes(basename(file)));
}

describe('the types', () => {
  const files = readdirSync(import.meta.dirname).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );

  it.each(files)('of %s are what it says, and what must not compile does not', (name) => {
    expect(complaints(join(import.meta.dirname, name))).toEqual([]);
  });

  it.each([
    'tasks',
    'python-and-typescript',
    'from-celery',
    'from-bullmq',
    'from-celery-node',
    'workflows',
  ])('fit the code of the guide %s', (name) => {
    const guide = readFileSync(join(root, `docs/guide/${name}.md`), 'utf8');
    const program = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code).join('\n');
    const file = join(folder, 'guide.ts');
    writeFileSync(file, fromHere(program));
    expect(complaints(file)).toEqual([]);
  });

  it('are really looked at: an expected error that does not come is found', () => {
    const file = join(folder, 'planted.ts');
    const source = readFileSync(join(import.meta.dirname, 'tasks.ts'), 'utf8');
    writeFileSync(file, fromHere(source).replace("await add.delay('1', 2);", 'await add.delay(1, 2);'));
    expect(complaints(file)).toEqual([
      expect.stringContaining("TS2578: Unused '@ts-expect-error' directive"),
    ]);
  });
});
