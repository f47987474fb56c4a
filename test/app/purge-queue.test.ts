import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { purgeQueue } from '../../src/app/purge-queue.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';

test('what waits is deleted with the records that it was sent, in small steps, and the file shrinks', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-purge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await using app = new App('purged', { broker: `sqlite://${join(folder, 'store.db')}` });
  const large = 'x'.repeat(3_000);
  const send = (count: number, options: { queue?: string; countdown?: number; priority?: number }) =>
    Promise.all(Array.from({ length: count }, () => app.send('mail', [large], options)));
  const [kept] = await send(1, { queue: 'other', countdown: 3600 });
  const waiting = [...(await send(1500, { priority: 3 })), ...(await send(1200, { countdown: 3600 }))];
  const { store } = await app.broker();
  if (!(store instanceof SqliteStore)) throw new TypeError('not over SQLite');
  const pages = (): number => store.read((sql) => Number(sql('PRAGMA page_count').get()?.page_count));
  const before = pages();

  const purging = purgeQueue(app, 'celery');
  const later = await app.send('mail', ['later']);
  expect(await purging).toBe(2700);
  expect(await (await app.broker()).size('celery')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
  expect(await (await app.broker()).size('other')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
  for (const { id } of [waiting[0], waiting.at(-1)].filter((each) => each !== undefined))
    expect(await app.result(id).exists()).toBe(false);
  for (const result of [kept, later]) expect(await result?.exists()).toBe(true);
  expect(pages()).toBeLessThan(before / 2);
});
