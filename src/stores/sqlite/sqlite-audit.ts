import {
  type AuditEntry,
  type AuditRecord,
  type AuditStore,
  auditEntry,
  maxAudited,
} from '../audit-store.ts';
import type { SqliteStore } from './sqlite.ts';

const auditSchema: readonly string[] = [
  `
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,         -- milliseconds since 1970
  user TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL,
  address TEXT NOT NULL
);`,
];

/** Opens the audit log in this store. It does not keep the store open: its owner closes it. */
export async function openSqliteAudit(store: SqliteStore): Promise<AuditStore> {
  await store.migrate('audit', auditSchema);
  return new SqliteAudit(store);
}

class SqliteAudit implements AuditStore {
  readonly #store: SqliteStore;

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  async add({ at, user, role, action, target, reason, address }: AuditRecord): Promise<void> {
    await this.#store.write(true, ({ sql }) => {
      const insert =
        'INSERT INTO audit (at, user, role, action, target, reason, address) VALUES (?, ?, ?, ?, ?, ?, ?)';
      const { lastInsertRowid: id } = sql(insert).run(
        at.getTime(),
        user,
        role,
        action,
        target,
        reason,
        address,
      );
      sql('DELETE FROM audit WHERE id <= ?').run(Number(id) - maxAudited);
    });
  }

  async list({ limit, before }: Parameters<AuditStore['list']>[0]): Promise<readonly AuditEntry[]> {
    const rows = this.#store.read((sql) =>
      sql('SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?').all(
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      ),
    );
    return rows.map((row) => auditEntry(Number(row.id), Number(row.at), row));
  }
}
