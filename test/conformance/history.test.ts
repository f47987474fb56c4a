import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openPostgresHistory } from '../../src/stores/postgres/postgres-history.ts';
import { openSqliteHistory } from '../../src/stores/sqlite/sqlite-history.ts';
import { needs } from '../needs.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { historyCases } from './history-cases.ts';
import { historyJobsCases } from './history-jobs-cases.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

historyCases('sqlite', () => openSqliteHistory(join(folder, 'history.db')));
historyJobsCases('sqlite', () => openSqliteHistory(join(folder, 'jobs.db')));

needs(describe, noPostgres)('on a real server', () => {
  let server: PostgresServerProcess;
  beforeAll(async () => {
    server = await PostgresServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  historyCases('postgresql', () => openPostgresHistory(server.url(), { schema: 'history' }));
  historyJobsCases('postgresql', () => openPostgresHistory(server.url(), { schema: 'jobs' }));
});
