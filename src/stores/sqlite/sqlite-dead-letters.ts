// The dead-letter store of the embedded transport.

import type { DeadLetterStore, DeadReason, StoredDeadLetter } from '../transport.ts';
import { insertMessage } from './enqueue.ts';
import type { SqliteStore } from './sqlite.ts';

interface DeadRow {
  readonly id: number;
  readonly queue: string;
  readonly priority: number;
  readonly crashes: number;
  readonly reason: DeadReason;
  readonly detail: string;
  readonly died_at: number;
  readonly envelope: string | Uint8Array;
}

export class SqliteDeadLetters implements DeadLetterStore {
  readonly #store: SqliteStore;

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  async list(options: Parameters<DeadLetterStore['list']>[0] = {}): Promise<readonly StoredDeadLetter[]> {
    const { limit = 100, before = Number.MAX_SAFE_INTEGER, queue = null } = options;
    const rows = this.#store.read((sql) =>
      sql(
        'SELECT * FROM dead WHERE id < ?1 AND (?2 IS NULL OR queue = ?2) ORDER BY id DESC LIMIT ?3',
      ).all<DeadRow>(before, queue, limit),
    );
    return rows.map(toDeadLetter);
  }

  async get(id: number): Promise<StoredDeadLetter | undefined> {
    const row = this.#store.read((sql) => sql('SELECT * FROM dead WHERE id = ?').get<DeadRow>(id));
    return row === undefined ? undefined : toDeadLetter(row);
  }

  async count(): Promise<number> {
    return Number(this.#store.read((sql) => sql('SELECT count(*) AS n FROM dead').get())?.n ?? 0);
  }

  replay(id: number): Promise<boolean> {
    return this.#store.write(true, (transaction) => {
      const take = transaction.sql('DELETE FROM dead WHERE id = ? RETURNING *');
      const row = take.get<DeadRow>(id);
      if (row === undefined) return false;
      insertMessage(transaction, this.#store, { ...row, due: null, write: undefined });
      return true;
    });
  }

  discard(id: number): Promise<boolean> {
    return this.#store.write(
      true,
      ({ sql }) => Number(sql('DELETE FROM dead WHERE id = ?').run(id).changes) > 0,
    );
  }
}

function toDeadLetter(row: DeadRow): StoredDeadLetter {
  const { id, queue, reason, detail, crashes, envelope } = row;
  const raw = typeof envelope === 'string' ? Buffer.from(envelope) : envelope;
  return { id, queue, reason, detail, crashes, diedAt: new Date(row.died_at), raw };
}
