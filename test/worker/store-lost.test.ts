// The embedded store's file goes while programs use it: they say so and end, instead of writing where nobody will look.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { StoreError, StoreLostError } from '../../src/errors.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs, noProgram } from '../needs.ts';
import { damageStore, deleteStore, replaceStore } from '../servers/harm.ts';
import { MemoryLog } from './memory-log.ts';

const noSqlite3 = noProgram('sqlite3', '--version', 'sqlite3');

async function running(): Promise<{
  file: string;
  app: App;
  worker: Worker;
  log: MemoryLog;
  ended: Promise<unknown>;
  send: () => Promise<unknown>;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-lost-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'store.db');
  const app = new App('lost', { broker: `sqlite://${file}` });
  onTestFinished(() => app.close().catch(() => undefined));
  const add = app.task('add', (x: number, y: number) => x + y);
  const log = new MemoryLog();
  const worker = new Worker(app, { concurrency: 2, logger: log, health: { port: 0 } });
  const ended = worker.run().then(
    () => 'stopped',
    (error: unknown) => error,
  );
  const send = async (): Promise<unknown> => (await add.delay(1, 2)).get({ timeout: 60 });
  expect(await send()).toBe(3);
  return { file, app, worker, log, ended, send };
}

test('a file that was deleted: sends fail, the worker is not ready, and ends with the reason', async () => {
  const { file, ended, send, app } = await running();
  deleteStore(file);
  await expect(send()).rejects.toThrow(StoreLostError);
  expect((await app.broker()).status).toMatchObject({
    state: 'reconnecting',
    reason: expect.stringContaining('was deleted'),
  });
  const error = await ended;
  expect(error).toBeInstanceOf(StoreLostError);
  expect(String(error)).toContain(file);
});

test('a file that was replaced by another', async () => {
  const { file, ended, send } = await running();
  replaceStore(file);
  await expect(send()).rejects.toThrow(/replaced by another file/);
  expect(await ended).toBeInstanceOf(StoreLostError);
});

needs(test, noSqlite3)('a file whose pages make no sense is refused when it is opened', async () => {
  const { file, ended, worker, app } = await running();
  await worker.stop();
  expect(await ended).toBe('stopped');
  await app.close();
  damageStore(file);
  const again = new App('lost', { broker: `sqlite://${file}` });
  onTestFinished(() => again.close().catch(() => undefined));
  const add = again.task('add', (x: number, y: number) => x + y);
  await expect(add.delay(1, 2)).rejects.toThrow(StoreError);
  const log = new MemoryLog();
  await expect(new Worker(again, { logger: log }).run()).rejects.toThrow(/malformed/);
  expect(log.lines.filter(({ text }) => text.includes('retrying'))).toEqual([]);
});

test('damage that is found while the store is in use ends its use', async () => {
  const { app, ended, send } = await running();
  const { store } = await app.broker();
  if (!(store instanceof SqliteStore)) throw new TypeError('not the embedded store');
  const damaged = store.write(true, () => {
    throw Object.assign(new Error('database disk image is malformed'), { errcode: 11 }); // SQLITE_CORRUPT
  });
  await expect(damaged).rejects.toThrow(StoreLostError);
  await expect(send()).rejects.toThrow(/damaged .*restore it from a backup/);
  expect(await ended).toBeInstanceOf(StoreLostError);
});

test('a write that SQLite calls malformed for what it says is refused alone: the store is not damaged', async () => {
  const { app, send, worker } = await running();
  const { store } = await app.broker();
  if (!(store instanceof SqliteStore)) throw new TypeError('not the embedded store');
  await expect(store.write(true, ({ sql }) => sql("SELECT json('{')").get())).rejects.toThrow(
    /malformed JSON/,
  );
  expect(store.lost).toBeNull();
  expect(await send()).toBe(3);
  await worker.stop();
});
