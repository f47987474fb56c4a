// The compiler over `test/types/*.ts`: fails for what must compile and does not, and for each `@ts-expect-error`
// under which nothing is wrong any more.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'umbel-types-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The compiler's complaints about these files. */
function complaints(...files: string[]): string[] {
  const config = join(folder, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      // The sources of the whole project are checked elsewhere; here only what these files lead to.
      compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
      include: [],
      files,
    }),
  );
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config], {
      encoding: 'utf8',
      cwd: root,
    });
    return [];
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    return output.split('\n').filter((line) => line.includes('error TS'));
  }
}

describe('the types', () => {
  const files = readdirSync(import.meta.dirname).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );

  it.each(files)('of %s are what it says, and what must not compile does not', (name) => {
    expect(complaints(join(import.meta.dirname, name))).toEqual([]);
  });

  it('are really looked at: an expected error that does not come is found', () => {
    const file = join(folder, 'planted.ts');
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const source = readFileSync(join(import.meta.dirname, 'tasks.ts'), 'utf8').replaceAll(
      "'../../src/index.ts'",
      `'${join(root, 'src/index.ts')}'`,
    );
    writeFileSync(
      file,
      source
        .replace("await add.delay('1', 2);", 'await add.delay(1, 2);')
        .replace("'zod'", `'${join(root, 'node_modules/zod/index.js')}'`),
    );
    expect(complaints(file)).toEqual([
      expect.stringContaining("TS2578: Unused '@ts-expect-error' directive"),
    ]);
  });
});
