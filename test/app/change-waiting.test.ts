import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { purgeQueue } from '../../src/app/change-waiting.ts';
import { waitingMatcher } from '../../src/app/match-waiting.ts';
import {
  CannotChangeWaitingError,
  ConfigError,
  QuerySyntaxError,
  ReservedNameError,
} from '../../src/errors.ts';
import type { AsyncResult } from '../../src/results/async-result.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { taskMessage } from '../../src/testing/conformance.ts';
import { newApp } from '../worker/bench.ts';

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

  const backend = await app.backend();
  if (backend?.forgetPending === undefined) throw new TypeError('no records');
  const forget = backend.forgetPending.bind(backend);
  let later: AsyncResult | undefined;
  backend.forgetPending = async (ids) => {
    later ??= await app.send('mail', ['sent during the purge']);
    await forget(ids);
  };
  expect(await purgeQueue(app, 'celery', {})).toBe(2700);
  expect(await (await app.broker()).size('celery')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
  expect(await (await app.broker()).size('other')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
  for (const { id } of [waiting[0], waiting.at(-1)].filter((each) => each !== undefined))
    expect(await app.result(id).exists()).toBe(false);
  for (const result of [kept, later]) expect(await result?.exists()).toBe(true);
  expect(pages()).toBeLessThan(before / 2);
});

describe('messages that wait', () => {
  test('move to another queue, all or those that a query means, and are purged so, too', async () => {
    const app = await newApp('sqlite');
    for (const name of ['mail.news', 'mail.news', 'mail.bill', 'shop.add'])
      await app.send(name, [], { kwargs: { to: name }, priority: 3 });
    const later = await app.send('mail.news', [], { countdown: 3600 });
    const { queues } = app;
    expect(await queues.move('celery', 'slow', { query: 'name:mail.*', dryRun: true })).toBe(4);
    expect(await queues.move('celery', 'slow', { query: 'name:mail.*', limit: 1, dryRun: true })).toBe(1);
    expect(await queues.move('celery', 'slow', { query: 'name:mail.* kwargs.to:mail.bill' })).toBe(1);
    expect(await queues.move('celery', 'slow', { query: 'name:mail.news', limit: 1 })).toBe(1);
    expect((await queues.peek('slow')).map(({ call }) => call?.task)).toEqual(['mail.news', 'mail.bill']);
    expect(await queues.purge('celery', { query: 'eta:<2h', dryRun: true })).toBe(1);
    expect(await queues.purge('celery', { query: 'eta:<2h' })).toBe(1);
    expect(await later.exists()).toBe(false);
    expect(await queues.move('celery', 'slow')).toBe(2);
    expect(await queues.move('nothing', 'slow', { dryRun: true })).toBe(0);
    const broker = await app.broker();
    expect(await broker.size('celery')).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
    expect(await broker.size('slow')).toEqual({ ready: 4, scheduled: 0, claimed: 0 });
  });

  test.each([
    [['a', 'a', {}], ConfigError],
    [['a', 'b', { limit: 0 }], ConfigError],
    [['a', 'umbel.dead', {}], ReservedNameError],
    [['a', 'b', { query: 'nmae:x' }], QuerySyntaxError],
    [['a', 'b', { query: 'NOT worker:w1' }], QuerySyntaxError],
  ] as const)('%j is refused', async ([from, to, options], error) => {
    const app = await newApp('memory');
    await expect(app.queues.move(from, to, options)).rejects.toThrow(error);
  });

  test('a broker that cannot choose moves the next ones, and refuses a query', async () => {
    const app = await newApp('memory');
    const broker = await app.broker();
    Object.assign(broker, { features: { ...broker.features, choosesWaiting: false } });
    await app.send('a', []);
    for (const act of [
      app.queues.move('celery', 'b', { query: 'name:a' }),
      app.queues.purge('celery', { query: 'name:a' }),
    ])
      await expect(act).rejects.toThrow(CannotChangeWaitingError);
    expect(await app.queues.move('celery', 'b')).toBe(1);
  });

  const due = new Date(1_800_000_600_000);
  const task = taskMessage('id-1', {
    task: 'mail.send',
    args: [{ user: { id: 5 } }, 'Größe'],
    kwargs: { to: 'ann', n: 3 },
    argsrepr: "({'user': {'id': 5}}, 'Größe')",
    kwargsrepr: "{'to': 'ann', 'n': 3}",
    retries: 1,
    origin: 'gen7@host',
    stamps: { customer: ['7', '8'] },
    priority: 3,
  });

  test.each([
    ['', true],
    ['name:mail.*', true],
    ['name:mail', false],
    ['state:retry', true],
    ['state:pending', false],
    ['queue:slow id:id-1 root:id-1', true],
    ['client:gen7', true],
    ['client:gen', false],
    ['retries:>0 priority:2..4', true],
    ['priority:>3', false],
    ['args.user.id:5', true],
    ['args.0.user.id:5', true],
    ['args.user.id:>5', false],
    ['args.user.*:5', false],
    ['kwargs.to:a*', true],
    ['kwargs.n:"3"', false],
    ['args:größe', true],
    ['ANN', true],
    ['"no such text"', false],
    ['tag:customer=8', true],
    ['tag:customer=9', false],
    ['tag:*', true],
    ['group:*', false],
    ['NOT group:x', true],
    ['(name:a OR name:mail.send) NOT parent:*', true],
    ['eta:<1h', true],
    ['eta:>1h', false],
  ])('%s: %s', (query, expected) => {
    expect(waitingMatcher(query, 1_800_000_000_000)({ task, queue: 'slow', due })).toBe(expected);
  });
});
