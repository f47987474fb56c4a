import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openSqliteHistory } from '../../src/stores/sqlite/sqlite-history.ts';
import { historyCases } from './history-cases.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

historyCases('sqlite', () => openSqliteHistory(join(folder, 'history.db')));
