// The history in PostgreSQL when the server, its rights or its data are not as they should be.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { ConfigError, QuerySyntaxError, StoreError } from '../../../src/errors.ts';
import { cursorText, parseSort } from '../../../src/history/compile.ts';
import { type TaskFacts, unknown } from '../../../src/history/facts.ts';
import { parseQuery } from '../../../src/history/parse-query.ts';
import { Recorder } from '../../../src/recorder/recorder.ts';
import type { HistoryStore } from '../../../src/stores/history-store.ts';
import { openPostgresHistory } from '../../../src/stores/postgres/postgres-history.ts';
import { openHistoryStore, registerStore } from '../../../src/stores/registry.ts';
import { needs } from '../../needs.ts';
import { noPostgres, PostgresServerProcess } from '../../servers/postgres.ts';
import { patience, until } from '../../until.ts';
import { newStore, startWorker } from '../../worker/bench.ts';
import { MemoryLog } from '../../worker/memory-log.ts';

const began = 1_763_776_800_000;

function sent(n: number, fields: Partial<TaskFacts> = {}): TaskFacts {
  const mark = { kind: 'sent', at: began + n, clock: n, node: 'gen@here' } as const;
  return { ...unknown, id: `t${n}`, name: 'mail', marks: [mark], ...fields };
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

needs(describe, noPostgres)('the history in PostgreSQL', () => {
  let server: PostgresServerProcess;
  beforeAll(async () => {
    server = await PostgresServerProcess.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function open(schema: string): Promise<HistoryStore> {
    const store = await openPostgresHistory(server.url(`?schema=${schema}`));
    onTestFinished(() => store.close());
    return store;
  }

  const find = async (store: HistoryStore, query: string): Promise<readonly string[]> => {
    const listing = { condition: parseQuery(query), now: began, sort: parseSort('seen'), limit: 100 };
    return (await store.list({ ...listing, after: null })).tasks.map(({ id }) => id);
  };

  it('has one id for all who open it, also of several who create it at once', async () => {
    const stores = await Promise.all(upTo(5).map(() => open('same')));
    expect(new Set(stores.map(({ id }) => id)).size).toBe(1);
    expect((await open('other')).id).not.toBe(stores[0]?.id);
    expect(stores[0]?.id).toMatch(/^[0-9a-f]{16}$/);
  });

  it('has each fact of each recorder when several write the same tasks at once', async () => {
    const stores = await Promise.all(upTo(3).map(() => open('several')));
    const tasks = upTo(300).map((n) => sent(n));
    const started = (n: number, by: number): TaskFacts => ({
      ...unknown,
      id: `t${n}`,
      marks: [{ kind: 'log', at: began + n + by, clock: by, node: `w${by}@here`, message: `${by}` }],
    });
    await Promise.all(
      stores.flatMap((store, by) => [
        store.merge(tasks, { id: 'r', from: began, until: began + by }),
        store.merge(
          upTo(300)
            .toReversed()
            .map((n) => started(n, by)),
          null,
        ),
        store.prune({ updatedBefore: began - 1, maxTasks: 300 }, 50),
      ]),
    );
    const [store] = stores;
    expect((await store?.size())?.tasks).toBe(300);
    expect(await store?.recordings()).toEqual([{ id: 'r', from: began, until: began + 2 }]);
    for (const n of [0, 17, 299])
      expect((await store?.get(`t${n}`))?.log.map(({ message }) => message)).toEqual(['0', '1', '2']);
  });

  it('two that prune do not delete twice as many, and do not wait for one who writes', async () => {
    const [one, two] = [await open('pruned'), await open('pruned')];
    await one.merge(
      upTo(100).map((n) => sent(n)),
      null,
    );
    const keep = { updatedBefore: null, maxTasks: 40 };
    await Promise.all([one.prune(keep, 25), two.prune(keep, 25), one.prune(keep, 25), two.prune(keep, 25)]);
    while ((await one.prune(keep, 25)) + (await two.prune(keep, 25)) > 0);
    expect(await find(one, '')).toEqual(upTo(40).map((n) => `t${n + 60}`));
  });

  it('keeps, and searches past, what PostgreSQL cannot hold as text or as JSON', async () => {
    const store = await open('odd');
    const odd = [
      sent(1, { args: '["a\\u0000b"]', argsRepr: "('a\0b',)" }),
      sent(2, { kwargs: '{"half":"\\ud800"}', stamps: '{"x":["\\u0000"]}' }),
      sent(3, { args: '[{"deep":7}]', kwargs: '[]', stamps: '{"x":"y"}', name: `n${'x'.repeat(511)}` }),
      sent(4, { args: `${'['.repeat(8_000)}${']'.repeat(8_000)}`, name: 'é'.repeat(512) }),
    ];
    await store.merge(odd, null);
    await store.merge(odd, null);
    expect((await store.get('t1'))?.args).toEqual(['a\0b']);
    expect(await find(store, 'args.deep:7 OR tag:x=z OR kwargs.half:*')).toEqual(['t3']);
    expect(await find(store, 'args.deep:>6 NOT "\0" NOT name:\0 NOT args.deep:"\\u0000"')).toEqual(['t3']);
    expect(await store.get('t\0')).toBeNull();
    const sort = parseSort('seen');
    const listing = { condition: null, now: began, sort, limit: 2 };
    const wrong = cursorText(sort, { value: 'x', seq: 1 });
    await expect(store.list({ ...listing, after: wrong })).rejects.toThrow(QuerySyntaxError);
  });

  it('names what is wrong with the URL, the database, the user, or the tables', async () => {
    await expect(openHistoryStore('redis://localhost')).rejects.toThrow(
      "historyStore: 'redis://' is unknown; there are sqlite:// and postgresql://",
    );
    await expect(openHistoryStore('postgresql://h/x?shema=a')).rejects.toThrow(ConfigError);
    await expect(openHistoryStore('postgresql://h/x?shema=a')).rejects.toThrow("did you mean 'schema'?");
    const nowhere = server.url().replace(/\/postgres$/, '/nowhere');
    await expect(openHistoryStore(nowhere)).rejects.toThrow(StoreError);
    await expect(openHistoryStore(nowhere)).rejects.toThrow('there is no such database: create it');
    await server.sql('CREATE ROLE reader LOGIN');
    const reader = server.url().replace('//postgres@', '//reader@');
    await expect(openHistoryStore(`${reader}?schema=fresh`)).rejects.toThrow('the user lacks a right: GRANT');
    await server.sql(
      "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    const latin = server.url().replace(/\/postgres$/, '/latin');
    await expect(openHistoryStore(latin)).rejects.toThrow('create a database in UTF-8');
    await open('newer');
    await server.sql(`UPDATE newer.schema_version SET version = 99 WHERE part = 'history'`);
    await expect(open('newer')).rejects.toThrow('was made by a newer Umbel (history 99, this one knows 1)');
  });

  it('a user who may only read can search, and is told which right a write lacks', async () => {
    const store = await open('granted');
    await store.merge([sent(1)], null);
    await server.sql(
      `CREATE ROLE looker LOGIN; GRANT USAGE ON SCHEMA granted TO looker; GRANT SELECT ON ALL TABLES IN SCHEMA granted TO looker`,
    );
    const url = server.url('?schema=granted').replace('//postgres@', '//looker@');
    await using looking = await closable(openHistoryStore(url));
    expect(await find(looking.store, 'name:mail')).toEqual(['t1']);
    await expect(looking.store.merge([sent(2)], null)).rejects.toThrow(/lacks a right.*history_task/);
  });

  it('a recorder waits for a server that is away, when it starts and later, and goes on without loss', async () => {
    // Another scheme, which gives the server a second to answer.
    registerStore({
      ...{ name: 'hurried', schemes: ['hurried'], embedded: false },
      openHistoryStore: (url) => openPostgresHistory(url.replace('hurried:', 'postgresql:'), {}, 1000),
    });
    const broker = await newStore('sqlite');
    const app = new App('shop', {
      broker,
      historyStore: server.url('?schema=away').replace('postgresql:', 'hurried:'),
    });
    onTestFinished(() => app.close());
    const reader = new App('reader', { broker, historyStore: server.url('?schema=away') });
    onTestFinished(() => reader.close());
    const add = app.task('add', (a: number, b: number) => a + b);
    await server.stop();
    const log = new MemoryLog();
    const recorder = new Recorder(app, { logger: log });
    const running = recorder.run();
    try {
      await until(() => log.lines.some(({ text }) => text.includes('the recorder waits')), 'it to wait');
      await server.start();
      await until(() => log.lines.some(({ text }) => text.includes('recorder ready')), 'it to be ready');
      await startWorker(app);
      await (await add.delay(1, 2)).get(patience);
      await until(async () => (await reader.history.counts()).SUCCESS === 1, 'the first');
      await server.stop('SIGKILL');
      for (const n of upTo(20)) await (await add.delay(n, 2)).get(patience);
      await until(() => log.lines.some(({ text }) => text.includes('cannot be written')), 'it to fail');
      await server.start();
      await until(async () => (await reader.history.counts()).SUCCESS === 21, 'all');
      expect((await reader.history.status()).gaps).toEqual([]);
    } finally {
      process.emit('SIGQUIT');
      await running;
    }
  });
});

async function closable(opening: Promise<HistoryStore>): Promise<{ store: HistoryStore } & AsyncDisposable> {
  const store = await opening;
  return { store, [Symbol.asyncDispose]: () => store.close() };
}
