import { byName, type Pause, type PauseStore } from '../pauses.ts';
import type { SqliteStore } from './sqlite.ts';

const pauseSchema: readonly string[] = [
  `
CREATE TABLE pause (
  kind TEXT NOT NULL,          -- queue, task
  name TEXT NOT NULL,
  since INTEGER NOT NULL,      -- milliseconds since 1970
  by TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;`,
];

/** Opens the pauses in this store. They do not keep the store open: its owner closes it. */
export async function openSqlitePauses(store: SqliteStore): Promise<PauseStore> {
  await store.migrate('pause', pauseSchema);
  return new SqlitePauses(store);
}

class SqlitePauses implements PauseStore {
  readonly #store: SqliteStore;

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  async put({ kind, name, since, by, reason }: Pause): Promise<void> {
    const upsert = `INSERT INTO pause (kind, name, since, by, reason) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (kind, name) DO UPDATE SET by = excluded.by, reason = excluded.reason`;
    await this.#store.write(true, ({ sql }) => sql(upsert).run(kind, name, since.getTime(), by, reason));
  }

  async remove(kind: Pause['kind'], name: string): Promise<void> {
    const remove = 'DELETE FROM pause WHERE kind = ? AND name = ?';
    await this.#store.write(true, ({ sql }) => sql(remove).run(kind, name));
  }

  async read(): Promise<readonly Pause[]> {
    const rows = this.#store.read((sql) => sql('SELECT kind, name, since, by, reason FROM pause').all());
    return rows
      .map(({ kind, name, since, by, reason }) => ({
        kind: kind === 'queue' ? ('queue' as const) : ('task' as const),
        name: String(name),
        since: new Date(Number(since)),
        by: String(by),
        reason: String(reason),
      }))
      .sort(byName);
  }
}
