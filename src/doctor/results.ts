// Checks the size of the latest stored results, in Redis and the embedded store.

import type { App } from '../app/app.ts';
import { backendOptions } from '../config/driver-options.ts';
import { redacted } from '../lib/redact.ts';
import { RedisConnection } from '../stores/redis/client/connection.ts';
import { redisSettings } from '../stores/redis/client/settings.ts';
import { recordKey } from '../stores/redis/record-keys.ts';
import { storeNamed } from '../stores/registry.ts';
import { SqliteStore } from '../stores/sqlite/sqlite.ts';
import { type Finding, listed } from './finding.ts';

interface Sized {
  readonly id: string;
  readonly bytes: number;
}

/** How many results are checked. */
const sample = 500;
/** A result of more bytes is reported: the store keeps it until it expires, and each reader transfers all of it. */
const bigBytes = 100_000;

export async function examineResults(app: App): Promise<Finding | null> {
  const { backend: url } = app.config;
  if (url === null) return null;
  if (storeNamed(url)?.name === 'redis') {
    try {
      return finding(await inRedis(app, url));
    } catch (error) {
      return {
        check: 'backend',
        level: 'error',
        what: `the result backend ${redacted(url)} does not answer: ${redacted(error instanceof Error ? error.message : String(error))}`,
        why: 'no result can be recorded: workers keep ended tasks until it is back',
        fix: 'start it, or correct the URL (UMBEL_RESULT_BACKEND, new App(name, { backend }))',
      };
    }
  }
  const backend = await app.backend();
  return backend?.store instanceof SqliteStore ? finding(inSqlite(backend.store)) : null;
}

/** Pure. */
export function finding(results: readonly Sized[]): Finding | null {
  const big = results.filter(({ bytes }) => bytes > bigBytes).sort((a, b) => b.bytes - a.bytes);
  if (big.length === 0) return null;
  return {
    check: 'big-results',
    level: 'warning',
    what: `${big.length} of the last ${results.length} results are bigger than ${bigBytes / 1000} kB: ${listed(
      big.map(({ id, bytes }) => `${id} (${Math.round(bytes / 1000)} kB)`),
      3,
    )}`,
    why: 'the store keeps each until it expires, and every reader, chord and callback transfers all of it',
    fix: 'store the data elsewhere (a file, S3, a table) and return its key; use ignoreResult: true if the result is never read',
  };
}

function inSqlite(store: SqliteStore): readonly Sized[] {
  const select = 'SELECT task_id, length(meta) AS bytes FROM result ORDER BY task_id DESC LIMIT ?';
  return store
    .read((sql) => sql(select).all(sample))
    .map(({ task_id: id, bytes }) => ({ id: String(id), bytes: Number(bytes) }));
}

async function inRedis(app: App, url: string): Promise<readonly Sized[]> {
  const settings = redisSettings(url, 'backend', backendOptions(app.config));
  await using connection = await RedisConnection.open(settings);
  const prefix = recordKey(settings.keyPrefix, '');
  const found: Sized[] = [];
  let cursor = '0';
  // A few steps of SCAN, since a big store is not searched completely.
  for (let looks = 0; looks < 20 && found.length < sample && (looks === 0 || cursor !== '0'); looks++) {
    const scan = ['SCAN', cursor, 'MATCH', `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`, 'COUNT', '500'];
    const reply = await connection.call(scan, { timeoutMs: 5000 });
    if (!Array.isArray(reply)) break;
    const keys: unknown = reply[1];
    cursor = String(reply[0]);
    if (!Array.isArray(keys)) break;
    const sizes = await Promise.all(
      keys.map((key) => connection.call(['STRLEN', String(key)], { timeoutMs: 5000 }).catch(() => 0)),
    );
    keys.forEach(
      (key, at) => void found.push({ id: String(key).slice(prefix.length), bytes: Number(sizes[at]) }),
    );
  }
  return found;
}
