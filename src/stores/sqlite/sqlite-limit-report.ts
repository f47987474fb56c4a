// What the embedded store holds of shared limits, to be shown.
import { forgetMs, holderOf, type LimitReading, type LimitReport, type LimitUse } from '../limits.ts';
import type { SqliteStore, Statement } from './sqlite.ts';
import { openSqliteLimitTables } from './sqlite-limits.ts';

type Sql = (text: string) => Statement;

export async function readSqliteLimits(
  store: SqliteStore,
  { counters, each }: LimitReading,
): Promise<LimitReport> {
  await openSqliteLimitTables(store);
  return store.read((sql) => {
    const idleMs = Date.now() - forgetMs;
    const keys = sql(`SELECT key FROM limit_held UNION SELECT key FROM limit_waiter
      UNION SELECT key FROM limit_rate WHERE next > ? ORDER BY key LIMIT ?`)
      .all(idleMs, counters + 1)
      .map(({ key }) => String(key));
    return {
      uses: keys.slice(0, counters).map((key) => useOf(sql, key, each, idleMs)),
      more: keys.length > counters,
      overrides: sql('SELECT kind, name, value FROM limit_override ORDER BY kind, name')
        .all()
        .map(({ kind, name, value }) => ({
          kind: kind === 'rate' ? 'rate' : 'concurrency',
          name: String(name),
          limit: value === null ? null : Number(value),
        })),
    };
  });
}

function useOf(sql: Sql, key: string, each: number, idleMs: number): LimitUse {
  const held = sql('SELECT token FROM limit_held WHERE key = ? LIMIT ?').all(key, each);
  const waiters = sql(
    'SELECT id, queue, since FROM limit_waiter WHERE key = ? ORDER BY notified = 0, since, id LIMIT ?',
  ).all(key, each);
  const rate = sql('SELECT next FROM limit_rate WHERE key = ? AND next > ?').get(key, idleMs);
  const count = (table: string): number =>
    Number(sql(`SELECT count(*) AS n FROM ${table} WHERE key = ?`).get(key)?.n ?? 0);
  return {
    key,
    inUse: count('limit_held'),
    holders: held.map(({ token }) => holderOf(String(token))),
    waiting: count('limit_waiter'),
    waiters: waiters.map(({ id, queue, since }) => ({
      id: String(id),
      queue: String(queue),
      sinceMs: Number(since),
    })),
    rate: rate === undefined ? null : { nextMs: Number(rate.next), reserved: count('limit_reservation') },
  };
}
