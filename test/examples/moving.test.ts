// The guides for those who come from another queue: their code is run, on a private store, and prints what it says.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, expect, test, vi } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'umbel-moving-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

test.each([
  ['from-bullmq', 4],
  ['from-celery-node', 2],
  ['from-pg-boss', 3],
  ['from-graphile-worker', 3],
  ['from-agenda', 2],
])('the code of the guide %s prints what it says', async (name, lines) => {
  const guide = readFileSync(join(root, `docs/guide/${name}.md`), 'utf8');
  const program = [...guide.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code).join('\n');
  const promised = [...program.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line);
  expect(promised).toHaveLength(lines);

  const file = join(folder, `${name}.ts`);
  writeFileSync(
    file,
    program
      .replace("'umbel'", `'${join(root, 'src/index.ts')}'`)
      .replace("'umbel/worker'", `'${join(root, 'src/worker/worker.ts')}'`)
      .replaceAll(/redis:\/\/localhost:6379\/\d/g, `memory://${name}`),
  );
  const printed: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    printed.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  });
  await import(file);
  expect(printed).toEqual(promised);
});
