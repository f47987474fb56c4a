import { spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BrokerUnavailable, ConfigError, StoreError } from '../../../src/errors.ts';
import { isReady, type ResultRecord } from '../../../src/protocol/result-meta.ts';
import type { ResultBackend } from '../../../src/stores/backend.ts';
import { openPostgresBackend } from '../../../src/stores/postgres/postgres-backend.ts';
import { resultSchema } from '../../../src/stores/postgres/schema.ts';
import { openBackend } from '../../../src/stores/registry.ts';
import { commandOf } from '../../e2e/harness/compiled.ts';
import { needs } from '../../needs.ts';
import { isLong, scaled } from '../../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../../servers/postgres.ts';
import { patienceMs, until } from '../../until.ts';

const record = (taskId: string, status = 'SUCCESS', result: unknown = 5): ResultRecord => ({
  taskId,
  status,
  result,
  traceback: null,
  children: [],
  dateDone: isReady(status) ? new Date(1_700_000_000_000) : null,
});
const never = new AbortController().signal;

async function ended(backend: ResultBackend, id: string): Promise<unknown> {
  for await (const each of backend.watch(id, AbortSignal.timeout(patienceMs)))
    if (isReady(each.status)) return each.result;
  throw new Error(`the end of ${id} was never seen`);
}

needs(describe, noPostgres)('results in PostgreSQL', () => {
  let server: PostgresServerProcess;
  let schemas = 0;
  const open = (schema: string, answerMs = patienceMs): Promise<ResultBackend> =>
    openPostgresBackend(server.url(), { expiresMs: 60_000, answerMs, driver: { schema } });
  const fresh = (): string => `faults_${++schemas}`;
  const listening = async (schema: string): Promise<number> => {
    const rows = await server.sql(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN "' || $1 || '%'`,
      [schema],
    );
    return rows.length;
  };

  /** Of one who gives up soon: a busy machine may be slower than that. */
  const isDone = (done: Promise<unknown>): Promise<boolean> =>
    done.then(
      () => true,
      () => false,
    );

  beforeAll(async () => {
    server = await PostgresServerProcess.start({ settings: ['max_connections = 40'] });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('every connection may be ended at any time: what is written and waited for goes on', async () => {
    const schema = fresh();
    await using backend = await open(schema);
    const ids = Array.from({ length: 400 }, (_, n) => `t${n}`);
    const seen = Promise.all(ids.map((id) => ended(backend, id)));
    let killed = 0;
    for (const [n, id] of ids.entries()) {
      const put = backend.put(record(id, 'SUCCESS', n));
      if (n % 20 === 0) {
        const rows = await server.sql(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'umbel'`,
        );
        killed += rows.length;
      }
      await put;
    }
    expect(await seen).toEqual(ids.map((_, n) => n));
    expect(killed).toBeGreaterThan(10);
  });

  test.each([
    'SIGINT',
    'SIGQUIT',
    'SIGKILL',
  ] as const)('a server that is stopped by %s and comes back is waited for', async (signal) => {
    const schema = fresh();
    await using backend = await open(schema);
    await backend.put(record('before'));
    const seen = [ended(backend, 'during'), ended(backend, 'after')];
    await expect.poll(() => listening(schema)).toBe(1);
    await server.stop(signal);
    const put = backend.put(record('during', 'SUCCESS', 1));
    const get = backend.get('before');
    await server.start();
    await put;
    expect((await get)?.status).toBe('SUCCESS');
    await backend.put(record('after', 'SUCCESS', 2));
    expect(await Promise.all(seen)).toEqual([1, 2]);
  });

  test('a server that is gone gives BrokerUnavailable in time, and does not hinder the start', async () => {
    await using backend = await open(fresh(), 300);
    await until(() => isDone(backend.put(record('a'))));
    await server.stop();
    try {
      const start = performance.now();
      for (const operation of [
        () => backend.put(record('b')),
        () => backend.get('a'),
        () => backend.forget('a'),
        () => backend.expire(),
      ])
        await expect(operation()).rejects.toBeInstanceOf(BrokerUnavailable);
      if (isLong) expect(performance.now() - start).toBeLessThan(5000);
      await using early = await open(fresh());
      const put = early.put(record('c'));
      await server.start();
      await put;
      expect((await early.get('c'))?.result).toBe(5);
    } finally {
      if (server.pid === undefined) await server.start();
    }
  });

  test('a server that is silent gives BrokerUnavailable in time', async () => {
    await using backend = await open(fresh(), 300);
    await until(() => isDone(backend.put(record('a'))));
    const rows = await server.sql(`SELECT pid FROM pg_stat_activity WHERE application_name = 'umbel'`);
    const signal = (name: NodeJS.Signals): void => {
      for (const { pid } of rows) process.kill(Number(pid), name);
    };
    signal('SIGSTOP');
    try {
      await expect(backend.put(record('b'))).rejects.toThrow(BrokerUnavailable);
    } finally {
      signal('SIGCONT');
    }
    await until(() => isDone(backend.put(record('c'))));
    await until(async () => (await backend.get('c').catch(() => undefined))?.result === 5);
  });

  test('one record that cannot be kept fails alone', async () => {
    const schema = fresh();
    await using backend = await open(schema);
    await server.sql(`
      CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.task_id LIKE 'bad%' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW;
      END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON ${schema}.result FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`);
    const ids = Array.from({ length: 60 }, (_, n) => (n % 20 === 7 ? `bad${n}` : `good${n}`));
    const puts = await Promise.allSettled(ids.map((id) => backend.put(record(id))));
    for (const [n, { status }] of puts.entries())
      expect(status).toBe(n % 20 === 7 ? 'rejected' : 'fulfilled');
    const [refused] = puts.filter((each) => each.status === 'rejected');
    expect(refused?.reason).toBeInstanceOf(StoreError);
    expect(String(refused?.reason)).toContain('not this one');
    expect((await backend.get('good0'))?.status).toBe('SUCCESS');
  });

  test('any id, state and text is kept, in a database of any encoding', async () => {
    await server.sql(`CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`);
    for (const url of [server.url(), server.url().replace(/\w+$/, 'latin')]) {
      await using backend = await openPostgresBackend(url, { expiresMs: null, driver: { schema: fresh() } });
      const odd = ['a b', 'größer', 'nul\u0000', '\ud800', 'x'.repeat(10_000), 'sha256:0', '', '🌱', `'";--`];
      await Promise.all(odd.map((id) => backend.put(record(id, `MY ${id}`, `\u0000 ä 🌱 \ud800 ${id}`))));
      for (const id of odd.filter((each) => each !== '')) {
        expect(await backend.get(id)).toEqual(record(id, `MY ${id}`, `\u0000 ä 🌱 \ud800 ${id}`));
        const end = ended(backend, id);
        await backend.put(record(id, 'SUCCESS', id));
        expect(await end).toBe(id);
        expect(await backend.forget(id)).toBe(true);
      }
    }
  });

  test('more is asked than there are connections', async () => {
    const driver = { schema: fresh(), poolSize: 1 };
    await using backend = await openPostgresBackend(server.url(), { expiresMs: null, driver });
    await Promise.all(
      Array.from({ length: 500 }, async (_, n) => {
        await backend.put(record(`t${n}`, 'SUCCESS', n));
        expect((await backend.get(`t${n}`))?.result).toBe(n);
        expect(await backend.forget(`t${n}`)).toBe(true);
      }),
    );
  });

  test('a server without room for connections is waited for, and named when that takes too long', async () => {
    const schema = fresh();
    await (await open(schema)).close();
    await server.sql(`CREATE ROLE crowd LOGIN CONNECTION LIMIT 4;
      GRANT USAGE ON SCHEMA ${schema} TO crowd;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO crowd`);
    const url = server.url().replace('postgres@', 'crowd@');
    const others = Array.from({ length: 4 }, () => new Client({ connectionString: url }));
    for (const other of others) await other.connect();
    const options = { expiresMs: null, driver: { schema } };
    await using impatient = await openPostgresBackend(url, { ...options, answerMs: 500 });
    await expect(impatient.put(record('a'))).rejects.toThrow(/no room for more connections/);
    await using patient = await openPostgresBackend(url, { ...options, answerMs: patienceMs });
    const put = patient.put(record('b'));
    await others[0]?.end();
    await put;
    for (const other of others.slice(1)) await other.end();
  });

  test('a wrong password, user or database is said at once, and no password ever', async () => {
    await server.sql(`CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'se:cr@t/%#'`);
    const rules = join(server.folder, 'data', 'pg_hba.conf');
    const trusting = readFileSync(rules, 'utf8');
    writeFileSync(rules, `host all guarded,nobody 127.0.0.1/32 scram-sha-256\n${trusting}`);
    await server.sql('SELECT pg_reload_conf()');
    const url = server.url().replace('postgres@', `guarded:${encodeURIComponent('se:cr@t/%#')}@`);
    const wrongs = [url.replace('se%3A', 'guess'), url.replace('//guarded:', '//nobody:')];
    await until(() => isDone(new Client({ connectionString: wrongs[0] }).connect()).then((done) => !done));
    await using backend = await openBackend(url, { expiresMs: null });
    await backend.put(record('a'));
    for (const wrong of wrongs) {
      await using refused = await openBackend(wrong, { expiresMs: null });
      const error = await refused.get('a').catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error)).toMatch(/does not accept the user and password/);
      expect(String(error)).not.toMatch(/guess|cr@t|cr%40t/);
    }
    await using nowhere = await openBackend(url.replace(/postgres$/, 'nowhere'), { expiresMs: null });
    await expect(nowhere.get('a')).rejects.toThrow(/createdb/);
    const waiting = nowhere.watch('a', never)[Symbol.asyncIterator]().next();
    await expect(waiting).rejects.toThrow(BrokerUnavailable);
  });

  test('many processes that start at once make the tables once', async () => {
    const schema = fresh();
    const program = commandOf('test/stores/postgres/child.ts');
    const children = Array.from({ length: scaled(5, 20) }, (_, n) =>
      spawn(process.execPath, [...program, server.url(), schema, String(n)], { stdio: 'inherit' }),
    );
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    expect(codes).toEqual(children.map(() => 0));
    const rows = await server.sql(`SELECT task_id FROM ${schema}.result`);
    expect(rows).toHaveLength(children.length);
    expect(await server.sql(`SELECT * FROM ${schema}.schema_version`)).toEqual([
      { part: 'result', version: resultSchema.length },
    ]);
  });

  test('tables of a newer version are left alone, with the way out', async () => {
    const schema = fresh();
    await (await open(schema)).close();
    await server.sql(`UPDATE ${schema}.schema_version SET version = 99`);
    const opening = open(schema);
    await expect(opening).rejects.toThrow(StoreError);
    await expect(opening).rejects.toThrow(
      `newer Umbel (result 99, this one knows ${resultSchema.length}); update this one`,
    );
  });

  test('a user without the right to create tables uses those that are there', async () => {
    const schema = fresh();
    await server.sql(`CREATE ROLE clerk_${schema} LOGIN`);
    const url = server.url().replace('postgres@', `clerk_${schema}@`);
    const driver = { schema };
    await using early = await openPostgresBackend(url, { expiresMs: null, driver });
    await expect(early.get('a')).rejects.toThrow(/lacks a right/);
    await (await open(schema)).close();
    await server.sql(`GRANT USAGE ON SCHEMA ${schema} TO clerk_${schema};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO clerk_${schema}`);
    await early.put(record('a'));
    expect((await early.get('a'))?.result).toBe(5);
  });

  test('tables that were dropped are made anew', async () => {
    const schema = fresh();
    await using backend = await open(schema);
    await backend.put(record('a'));
    await server.sql(`DROP SCHEMA ${schema} CASCADE`);
    expect(await backend.get('a')).toBeUndefined();
    await backend.put(record('a'));
    expect((await backend.get('a'))?.result).toBe(5);
  });

  test('one connection listens for all who wait in a process, and none when nobody does', async () => {
    const schema = fresh();
    await using one = await open(schema);
    await using two = await open(schema);
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const waiting = Array.from({ length: 200 }, (_, n) =>
      (n % 2 === 0 ? one : two)
        .watch(`t${n % 50}`, stop.signal)
        [Symbol.asyncIterator]()
        .next(),
    );
    await expect.poll(() => listening(schema)).toBe(1);
    await one.put(record('t7'));
    expect((await waiting[7])?.value?.status).toBe('SUCCESS');
    stop.abort();
    for (const next of waiting) await next;
    await expect.poll(() => listening(schema)).toBe(0);
    const again = ended(one, 'again');
    await two.put(record('again'));
    expect(await again).toBe(5);
  });

  test('of many processes one sweeps away what has expired', async () => {
    const driver = { schema: fresh() };
    const options = { expiresMs: 50, driver };
    const backends = await Promise.all(
      Array.from({ length: 4 }, () => openPostgresBackend(server.url(), options)),
    );
    await Promise.all(Array.from({ length: 1200 }, (_, n) => backends[n % 4]?.put(record(`t${n}`))));
    const count = async (): Promise<number> =>
      (await server.sql(`SELECT 1 FROM ${driver.schema}.result`)).length;
    await expect.poll(count).toBe(0);
    for (const backend of backends) await backend.close();
  });
});

describe('the URL of a PostgreSQL server', () => {
  test.each([
    ['postgresql://u:secret@h/db', { keyPrefix: 'x' }, /knows no option 'keyPrefix'/],
    ['postgresql://u:secret@h/db', { schemas: 'x' }, /did you mean 'schema'/],
    ['postgresql://u:secret@h/db', { schema: 'a"; DROP' }, /'schema' is a name/],
    ['postgresql://u:secret@h/db', { poolSize: 0 }, /'poolSize'/],
    ['postgresql://u:secret@h/db?ssl_mode=require', {}, /did you mean 'sslmode'/],
    ['postgresql://u:secret@h/db?sslmode=prefer', {}, /gives no protection/],
    ['postgresql://u:secret@h/db?sslmode=yes', {}, /sslmode is/],
    ['postgresql://u:secret@h/db?sslmode=require&sslrootcert=/nowhere', {}, /cannot read the certificate/],
    ['postgresql://u:secret@a,b/db', {}, /./],
    ['postgresql://u:sec#ret@h/db', {}, /not encoded/],
    ['postgres://u:secret@h:99999/db', {}, /not encoded/],
    ['db+postgresql://u:secret@h/db', { connectTimeout: 0 }, /more than 0/],
  ])('%s with %j is refused with the reason, and without its password', async (url, driver, reason) => {
    const error = await openBackend(url, { expiresMs: null, driver }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(reason);
    expect(String(error)).not.toMatch(/secret|sec#ret/);
  });
});
