import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BrokerUnavailable, StoreError, StoreVersionError } from '../../../src/errors.ts';
import { builtinSqlite, loadLibrary } from '../../../src/stores/sqlite/library.ts';
import { SqliteStore } from '../../../src/stores/sqlite/sqlite.ts';
import { storeVersion } from '../../../src/stores/store-version.ts';
import { needs } from '../../needs.ts';

let folder: string;
let file: string;
const opened: SqliteStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-sqlite-'));
  file = join(folder, 'sub', 'store.db');
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});

async function open(options = {}): Promise<SqliteStore> {
  const store = await SqliteStore.open(file, { shared: false, ...options });
  opened.push(store);
  return store;
}

async function withTable(): Promise<SqliteStore> {
  const store = await open();
  await store.migrate('test', ['CREATE TABLE number (n INTEGER PRIMARY KEY)']);
  return store;
}

const insert = (store: SqliteStore, n: number): Promise<number> =>
  store.write(true, ({ sql }) => {
    sql('INSERT INTO number VALUES (?)').run(n);
    return n;
  });
const count = (store: SqliteStore): number =>
  Number(store.read((sql) => sql('SELECT count(*) AS n FROM number').get())?.n);

test('the store is made with its folder, and only its owner may read it', async () => {
  await open();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'sub')).mode & 0o777).toBe(0o700);
});

test('writes of one turn are committed together, in the order in which they were asked for', async () => {
  const store = await withTable();
  const other = await open();
  const seen: number[] = [];
  const version = (): unknown => other.read((sql) => sql('PRAGMA data_version').get())?.data_version;
  const before = version();
  await Promise.all([3, 1, 2].map((n) => insert(store, n).then((value) => seen.push(value))));
  expect(seen).toEqual([3, 1, 2]);
  expect(version()).not.toBe(before);
  const after = version();
  expect(count(other)).toBe(3);
  expect(version()).toBe(after);
});

test('a write that fails fails alone; its neighbours of the same turn are kept', async () => {
  const store = await withTable();
  const results = await Promise.allSettled([insert(store, 1), insert(store, 1), insert(store, 2)]);
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(count(store)).toBe(2);
});

test('what is to follow the commit does not happen when there is none, and once when there is', async () => {
  const store = await withTable();
  const effects: string[] = [];
  const doomed = store.write(true, (transaction) => {
    transaction.onCommit('doomed', () => effects.push('doomed'));
    transaction.sql('INSERT INTO number VALUES (1)').run();
    throw new Error('no');
  });
  await expect(doomed).rejects.toThrow('no');
  expect(count(store)).toBe(0);
  const twice = (): Promise<void> =>
    store.write(true, ({ onCommit }) => onCommit('ring', () => effects.push('ring')));
  await Promise.all([twice(), twice()]);
  expect(effects).toEqual(['ring']);
});

test('two processes that write at once both get through', async () => {
  const first = await withTable();
  const second = await open();
  await Promise.all(
    Array.from({ length: 400 }, async (_, n) => {
      await insert(n % 2 === 0 ? first : second, n);
      await insert(n % 2 === 0 ? second : first, n + 1000);
    }),
  );
  expect(count(first)).toBe(800);
});

test('a full disk is a typed error, and writing goes on when there is room again', async () => {
  const store = await withTable();
  const pages = Number(store.read((sql) => sql('PRAGMA page_count').get())?.page_count);
  store.read((sql) => sql(`PRAGMA max_page_count=${pages}`).get());
  const big = (): Promise<unknown> =>
    store.write(true, ({ exec }) => exec('CREATE TABLE IF NOT EXISTS big AS SELECT randomblob(100000) AS b'));
  await expect(big()).rejects.toThrow(BrokerUnavailable);
  expect(count(store)).toBe(0);
  store.read((sql) => sql('PRAGMA max_page_count=100000').get());
  await big();
  await insert(store, 1);
  expect(count(store)).toBe(1);
});

test('a file of a newer version is refused by name', async () => {
  const store = await open();
  await store.migrate('test', ['CREATE TABLE a (x)', 'CREATE TABLE b (x)']);
  await expect(store.migrate('test', ['CREATE TABLE a (x)'])).rejects.toThrow(/newer Umbel/);
});

/** The files of the test that this process has open. Linux shows them; elsewhere none can be told. */
function openFiles(): readonly string[] {
  if (!existsSync('/proc/self/fd')) return [];
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(join('/proc/self/fd', fd))].filter((path) => path.startsWith(folder));
    } catch {
      return []; // that of the folder itself
    }
  });
}

test('a file that is no database is refused by name, and closed', async () => {
  file = join(folder, 'notes.txt');
  writeFileSync(
    file,
    'these are my notes, and no database at all, though long enough to look like one '.repeat(20),
  );
  await expect(SqliteStore.open(file, { shared: false })).rejects.toThrow(StoreError);
  expect(openFiles()).toEqual([]);
});

/** The package for Node.js 20 closes a file when its statements have been collected. */
const closesLate =
  builtinSqlite() === undefined ? 'this Node.js has no SQLite, and the package closes files late' : undefined;

needs(test, closesLate)('a closed store is closed, and its log is merged into it', async () => {
  const store = await withTable();
  await insert(store, 1);
  await opened.pop()?.close();
  expect(openFiles()).toEqual([]);
  expect(readdirSync(join(folder, 'sub'))).toEqual(['store.db']);
});

needs(test, closesLate)('a database of another program is refused, and closed', async () => {
  const foreign = (await loadLibrary())(join(folder, 'foreign.db'));
  foreign.exec('CREATE TABLE a (x)');
  foreign.close();
  await expect(SqliteStore.open(join(folder, 'foreign.db'))).rejects.toThrow(/another program/);
  expect(openFiles()).toEqual([]);
});

needs(test, closesLate)(
  'a store whose version is refused is closed, and one whose part is refused keeps its other users',
  async () => {
    const store = await SqliteStore.openWith({ test: ['CREATE TABLE a (x)', 'CREATE TABLE b (x)'] }, file);
    const older = { test: ['CREATE TABLE a (x)'] };
    await expect(SqliteStore.openWith(older, store)).rejects.toThrow(/newer Umbel/);
    await store.write(true, ({ exec }) => exec(`PRAGMA user_version=${storeVersion + 1}`));
    expect(openFiles()).not.toEqual([]);
    await store.close();
    expect(openFiles()).toEqual([]);
    await expect(SqliteStore.openWith(older, file)).rejects.toThrow(StoreVersionError);
    expect(openFiles()).toEqual([]);
  },
);

test('a closed store says so, and a shared one stays open for its other users', async () => {
  const one = await SqliteStore.open(file);
  const two = await SqliteStore.open(file);
  expect(two).toBe(one);
  await one.close();
  await two.write(true, ({ exec }) => exec('CREATE TABLE t (x)'));
  await two.close();
  await expect(two.write(true, () => 1)).rejects.toThrow(/closed/);
});
