import { afterAll, beforeAll, describe } from 'vitest';
import { openPostgresBackend } from '../../src/stores/postgres/postgres-backend.ts';
import { needs } from '../needs.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { backendCases } from './run.ts';

needs(describe, noPostgres)('on a real server', () => {
  let server: PostgresServerProcess;
  let stores = 0;
  beforeAll(async () => {
    server = await PostgresServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  backendCases('postgresql', () => {
    const driver = { schema: `case_${++stores}` };
    return {
      openBackend: ({ expiresMs }) => openPostgresBackend(server.url(), { expiresMs, driver }),
      remove: () => server.sql(`DROP SCHEMA IF EXISTS ${driver.schema} CASCADE`).then(() => {}),
    };
  });
});
