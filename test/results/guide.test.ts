// The guide's code is one program: it is run on a real server, and prints what its comments say.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

const root = resolve(import.meta.dirname, '../..');
afterEach(() => {
  vi.restoreAllMocks();
});

needs(test, noRedis)('the guide to results prints what it says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-guide-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await using server = await RedisServerProcess.start();
  const guide = readFileSync(join(root, 'docs/guide/results.md'), 'utf8');
  const program = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code).join('\n');
  const promised = [...program.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line);
  expect(promised.length).toBeGreaterThan(8);

  const file = join(folder, 'guide.ts');
  writeFileSync(
    file,
    program
      .replace("'umbel'", `'${join(root, 'dist/index.js')}'`)
      .replace("'umbel/worker'", `'${join(root, 'dist/worker/worker.js')}'`)
      .replaceAll('redis://localhost', `redis://127.0.0.1:${server.port}`),
  );
  const printed: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    printed.push(values.map((value) => (typeof value === 'string' ? value : inspect(value))).join(' '));
  });
  await import(file);
  expect(printed).toEqual(promised);
});
