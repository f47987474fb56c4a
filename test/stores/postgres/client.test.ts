import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { classifyPostgresError } from '../../../src/stores/postgres/client/errors.ts';
import { PostgresPool } from '../../../src/stores/postgres/client/pool.ts';
import { postgresSettings } from '../../../src/stores/postgres/client/settings.ts';
import { needs } from '../../needs.ts';
import { noOpenssl } from '../../servers/certificates.ts';
import { noPostgres, PostgresServerProcess } from '../../servers/postgres.ts';
import { patienceMs } from '../../until.ts';

describe('the URL of a PostgreSQL server', () => {
  test.each([
    ['postgresql://', { port: 5432, user: null, password: null, database: null, tls: null, schema: 'umbel' }],
    ['postgres://h', { host: 'h', port: 5432 }],
    ['postgresql://h:80/db', { host: 'h', port: 80, database: 'db' }],
    ['db+postgresql://u:p%40%2Fss@h:6000/shop', { host: 'h', port: 6000, user: 'u', password: 'p@/ss' }],
    ['postgresql://u@/shop', { user: 'u', database: 'shop' }],
    ['postgresql://u@[::1]:7000/shop', { host: '::1', port: 7000 }],
    ['postgresql:///shop?host=/run/postgresql&port=6000', { host: '/run/postgresql', port: 6000, tls: null }],
    ['postgresql://h/db?sslmode=disable', { tls: null }],
    ['postgresql://h/db?sslmode=require', { tls: { rejectUnauthorized: true, checkHostname: true } }],
    ['postgresql://h/db?sslmode=verify-full', { tls: { rejectUnauthorized: true, checkHostname: true } }],
    ['postgresql://h/db?sslmode=verify-ca', { tls: { rejectUnauthorized: true, checkHostname: false } }],
    ['postgresql://h/db?sslmode=no-verify', { tls: { rejectUnauthorized: false } }],
    ['postgresql://h/db?connect_timeout=3', { connectTimeoutMs: 3000 }],
  ])('%s is understood', (url, expected) => {
    expect(postgresSettings(url, 'backend')).toMatchObject(expected);
  });

  test('is shown without its password', () => {
    expect(postgresSettings('postgresql://u:secret@h/db', 'backend').shown).toBe('postgresql://h:5432/db');
  });
});

test.each([
  [undefined, 'again'],
  ['08006', 'again'],
  ['57P01', 'again'],
  ['57P03', 'again'],
  ['53300', 'again'],
  ['53100', 'again'],
  ['40P01', 'again'],
  ['25006', 'again'],
  ['55P03', 'again'],
  ['28P01', 'refused'],
  ['3D000', 'refused'],
  ['42501', 'refused'],
  ['22021', 'fatal'],
  ['42P01', 'fatal'],
  ['P0001', 'fatal'],
])('the error %s of a server is to be met as: %s', (code, kind) => {
  expect(classifyPostgresError(code).kind).toBe(kind);
});

needs(describe, noPostgres ?? noOpenssl)('a server with TLS', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);
  let server: PostgresServerProcess;

  /** Its own certificate, for the name `localhost` only. */
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'umbel-postgres-tls-'));
    for (const name of ['server', 'other']) {
      const made = spawnSync(
        'openssl',
        [
          ...[
            'req',
            '-x509',
            '-newkey',
            'ec',
            '-pkeyopt',
            'ec_paramgen_curve:prime256v1',
            '-nodes',
            '-days',
            '2',
            '-subj',
            '/CN=localhost',
          ],
          ...[
            '-addext',
            'subjectAltName=DNS:localhost',
            '-keyout',
            file(`${name}.key`),
            '-out',
            file(`${name}.pem`),
          ],
        ],
        { encoding: 'utf8' },
      );
      expect(made.status, made.stderr).toBe(0);
    }
    server = await PostgresServerProcess.start({
      tls: { cert: file('server.pem'), key: file('server.key') },
    });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** Asks that server for so long. */
  async function isEncrypted(
    host: string,
    query: string,
    { of = server, ms = patienceMs } = {},
  ): Promise<unknown> {
    const url = of.url(`?${query}`).replace('127.0.0.1', host);
    await using pool = await PostgresPool.open(postgresSettings(url, 'backend'));
    const sql = 'SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS ssl';
    const [row] = await pool.query(sql, [], performance.now() + ms);
    return row?.ssl;
  }

  async function refuses(why: RegExp, host: string, query: string, of = server): Promise<void> {
    // What is wrong may not be known so soon on a busy machine.
    for (let ms = 200; ; ms *= 5) {
      const error = await isEncrypted(host, query, { of, ms }).then(
        () => new Error('it is talked to'),
        (reason: unknown) => reason,
      );
      if (ms > patienceMs / 5 || why.test(String(error))) return expect(String(error)).toMatch(why);
    }
  }

  const own = (): string => `sslrootcert=${file('server.pem')}`;

  test('is talked to when its certificate and name are right', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(await isEncrypted('localhost', `sslmode=${mode}&${own()}`)).toBe(true);
    expect(await isEncrypted('localhost', 'sslmode=disable')).toBe(false);
  });

  test('is not talked to when nobody vouches for it, or somebody for another', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      await refuses(/self-signed certificate/, 'localhost', `sslmode=${mode}`);
      const other = `sslrootcert=${file('other.pem')}`;
      await refuses(/certificate/, 'localhost', `sslmode=${mode}&${other}`);
    }
    expect(await isEncrypted('localhost', 'sslmode=no-verify')).toBe(true);
  });

  test('must be of the name in its certificate, unless only the certificate is to be checked', async () => {
    await refuses(/does not match/, '127.0.0.1', `sslmode=verify-full&${own()}`);
    await refuses(/does not match/, '127.0.0.1', `sslmode=require&${own()}`);
    expect(await isEncrypted('127.0.0.1', `sslmode=verify-ca&${own()}`)).toBe(true);
  });

  test('that speaks no TLS is not talked to in the clear', async () => {
    const plain = await PostgresServerProcess.shared();
    await refuses(/does not support SSL/, '127.0.0.1', `sslmode=require&${own()}`, plain);
  });
});
