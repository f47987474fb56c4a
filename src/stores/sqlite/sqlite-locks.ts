import type { Lock, LockList, Locks, LockWrite } from '../locks.ts';
import type { StoreWrite } from '../store-write.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';

const lockSchema: readonly string[] = [
  `
CREATE TABLE unique_lock (
  key TEXT PRIMARY KEY,
  id TEXT NOT NULL,            -- the task that has it
  expires INTEGER NOT NULL     -- milliseconds since 1970
) WITHOUT ROWID;
CREATE INDEX unique_lock_expires ON unique_lock (expires);`,
];

/** Opens the locks in this store. They do not keep the store open: its owner closes it. */
export async function openSqliteLocks(store: SqliteStore): Promise<Locks> {
  await store.migrate('unique', lockSchema);
  return new SqliteLocks(store);
}

class SqliteLocks implements Locks {
  readonly store: SqliteStore;

  constructor(store: SqliteStore) {
    this.store = store;
  }

  taking(lock: Lock, inner: StoreWrite | undefined): LockWrite {
    let existing: string | null = null;
    const apply = (transaction: Transaction): boolean => {
      existing = take(transaction, lock);
      return existing === null && applied(transaction, inner);
    };
    return { store: this.store, apply, existing: async () => existing };
  }

  releasing(key: string, id: string, inner: StoreWrite | undefined): StoreWrite {
    const apply = (transaction: Transaction): boolean => {
      release(transaction, key, id);
      return applied(transaction, inner);
    };
    return { store: this.store, apply };
  }

  take(lock: Lock): Promise<string | null> {
    return this.store.write(true, (transaction) => take(transaction, lock));
  }

  async extend({ key, id, ttlMs }: Lock): Promise<void> {
    await this.store.write(true, ({ sql }) =>
      sql('UPDATE unique_lock SET expires = ? WHERE key = ? AND id = ?').run(Date.now() + ttlMs, key, id),
    );
  }

  async release(key: string, id: string): Promise<void> {
    await this.store.write(true, (transaction) => release(transaction, key, id));
  }

  async owner(key: string): Promise<string | null> {
    const row = this.store.read((sql) =>
      sql('SELECT id FROM unique_lock WHERE key = ? AND expires > ?').get(key, Date.now()),
    );
    return row === undefined ? null : String(row.id);
  }

  async list(limit: number): Promise<LockList> {
    const text = 'SELECT key, id, expires FROM unique_lock WHERE expires > ? ORDER BY key LIMIT ?';
    const rows = this.store.read((sql) => sql(text).all(Date.now(), limit + 1));
    const locks = rows.slice(0, limit).map(({ key, id, expires }) => ({
      key: String(key),
      id: String(id),
      untilMs: Number(expires),
    }));
    return { locks, more: rows.length > limit };
  }
}

function take({ sql }: Transaction, { key, id, ttlMs, replace }: Lock): string | null {
  const now = Date.now();
  sql('DELETE FROM unique_lock WHERE expires <= ?').run(now);
  const owner = sql('SELECT id FROM unique_lock WHERE key = ?').get(key)?.id;
  if (owner !== undefined && owner !== id && !replace) return String(owner);
  sql('INSERT OR REPLACE INTO unique_lock VALUES (?, ?, ?)').run(key, id, now + ttlMs);
  return null;
}

function release({ sql }: Transaction, key: string, id: string): void {
  sql('DELETE FROM unique_lock WHERE key = ? AND id = ?').run(key, id);
}

function applied(transaction: Transaction, inner: StoreWrite | undefined): boolean {
  return inner === undefined || inner.apply(transaction as never); // a write of the same store
}
