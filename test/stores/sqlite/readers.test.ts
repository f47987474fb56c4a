// Programs of others read the store beside ours: they must not cut ours off, nor lose what is written after them.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '../../../src/stores/sqlite/sqlite.ts';
import { needs, noProgram } from '../../needs.ts';
import { readings, shell } from '../../servers/harm.ts';

const noSqlite3 = noProgram('sqlite3', '--version', 'sqlite3');

needs(test, noSqlite3)('a database of another program is refused, and left as it is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-foreign-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'theirs.db');
  shell(file, 'CREATE TABLE message (text TEXT)');
  const before = readFileSync(file);
  await expect(SqliteStore.open(file)).rejects.toThrow(/theirs\.db: it is a database of another program/);
  expect(readFileSync(file).equals(before)).toBe(true);
});

needs(test, noSqlite3)('a reader from outside leaves the log to those who use the store', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-readers-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'store.db');
  // As an App does: its broker and its results are one store, opened twice.
  const stores = [await SqliteStore.open(file), await SqliteStore.open(file)];
  const [store] = stores;
  await store?.write(true, ({ exec }) => exec('CREATE TABLE note (text TEXT)'));
  const log = statSync(`${file}-wal`).ino;
  for (const [index, sql] of readings.entries()) {
    shell(file, sql);
    expect(statSync(`${file}-wal`).ino, sql).toBe(log);
    await store?.write(true, ({ sql }) => sql('INSERT INTO note VALUES (?)').run('written after a reader'));
    expect(shell(file, 'SELECT count(*) FROM note')).toBe(String(index + 1));
  }
  for (const each of stores) await each.close();
  expect(shell(file, 'SELECT count(*) FROM note')).toBe(String(readings.length));
});
