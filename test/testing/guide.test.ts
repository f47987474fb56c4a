// The guide's code is one program: it is run, and prints what its comments say.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'umbel-testing-guide-'));
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

test('the guide to testing prints what it says', async () => {
  const guide = readFileSync(join(root, 'docs/guide/testing.md'), 'utf8');
  const program = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code).join('\n');
  const promised = [...program.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line);
  expect(promised).toHaveLength(4);

  const file = join(folder, 'guide.ts');
  writeFileSync(
    file,
    program
      .replaceAll("'umbel'", `'${join(root, 'src/index.ts')}'`)
      .replaceAll("'umbel/testing'", `'${join(root, 'src/testing/testing.ts')}'`),
  );
  const printed: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    printed.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  });
  await import(file);
  expect(printed).toEqual(promised);
});
