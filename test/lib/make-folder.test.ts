import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFolder } from '../../src/lib/make-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-folder-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('makes what is missing with its mode, and leaves what is there', () => {
  const inner = join(folder, 'a', 'b', 'c');
  makeFolder(inner, 0o700);
  for (const path of [inner, join(folder, 'a')]) expect(statSync(path).mode & 0o777).toBe(0o700);
  mkdirSync(join(folder, 'open'), { mode: 0o755 });
  makeFolder(join(folder, 'open'), 0o700);
  expect(statSync(join(folder, 'open')).mode & 0o777).toBe(0o755);
});

test('a file in the way is an error', () => {
  writeFileSync(join(folder, 'file'), '');
  for (const path of ['file', 'file/inner'])
    expect(() => makeFolder(join(folder, path))).toThrow(/EEXIST|ENOTDIR/);
});

test.runIf(process.platform === 'linux')('a place where nothing can be made is an error, not a loop', () => {
  expect(() => makeFolder('/proc/nowhere/inner')).toThrow('/proc/nowhere');
});
