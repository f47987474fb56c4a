// The history stream in the embedded store: entries are rows, written in the transaction of the task's own writes.
import type { Clock } from '../../lib/clock.ts';
import {
  type HistoryBatch,
  type HistoryReader,
  type HistoryStream,
  type HistoryStreamOptions,
  type HistoryStreamStatus,
  registrationMs,
} from '../history-stream.ts';
import type { StoreWrite } from '../store-write.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';

const streamSchema: readonly string[] = [
  `
CREATE TABLE history_entry (
  seq INTEGER PRIMARY KEY,     -- without gaps: the last row is never deleted
  entry TEXT NOT NULL
);
CREATE TABLE history_reader (
  id TEXT PRIMARY KEY,
  position INTEGER NOT NULL,   -- the last entry that it has read
  seen INTEGER NOT NULL        -- milliseconds since 1970
) WITHOUT ROWID;`,
];

const defaultLimit = 1_000_000;
/** After how many entries the surplus is deleted, and how many rows one transaction deletes. */
const trimEvery = 256;
const trimStep = 2_000;

/** Opens the stream in this store. It does not keep the store open: its owner closes it. */
export function openSqliteHistoryStream(
  store: SqliteStore,
  clock: Clock,
  { limit }: HistoryStreamOptions,
): HistoryStream {
  return new SqliteHistoryStream(store, clock, limit ?? defaultLimit);
}

class SqliteHistoryStream implements HistoryStream {
  readonly #store: SqliteStore;
  readonly #clock: Clock;
  readonly #limit: number;
  #isMade = false;

  constructor(store: SqliteStore, clock: Clock, limit: number) {
    this.#store = store;
    this.#clock = clock;
    this.#limit = limit;
  }

  async registered(): Promise<boolean> {
    if (!this.#exists()) return false; // a store without a recorder never gets the tables
    await this.#make();
    if (this.#store.read((sql) => this.#readers(sql)).length > 0) return true;
    // In the transaction, too: a recorder may have registered since.
    await this.#deleteUpTo(({ sql }) => (this.#readers(sql).length > 0 ? 0 : bounds(sql).last));
    return false;
  }

  async append(entries: readonly string[]): Promise<void> {
    await this.#make();
    await this.#store.write(false, (transaction) => {
      for (const entry of entries) this.#insert(transaction, entry);
    });
  }

  writeOf(entry: string): StoreWrite {
    return {
      store: this.#store,
      apply: (transaction: Transaction) => {
        this.#insert(transaction, entry);
        return true;
      },
    };
  }

  async register(id: string): Promise<HistoryReader> {
    await this.#make();
    const isNew = await this.#seen(id);
    return {
      isNew,
      waiting: async () =>
        this.#store.read((sql) => {
          const { first, last } = bounds(sql);
          return last - Math.max(first - 1, positionOf(sql, id));
        }),
      read: (limit) => this.#read(id, limit),
      renew: async () => void (await this.#seen(id)),
      leave: () =>
        this.#store.write(true, ({ sql }) => void sql('DELETE FROM history_reader WHERE id = ?').run(id)),
      close: async () => undefined,
    };
  }

  async status(): Promise<HistoryStreamStatus> {
    if (!this.#exists()) return { waiting: 0, readers: [] };
    const readers = this.#store.read((sql) => this.#readers(sql));
    const { first, last } = this.#store.read((sql) => bounds(sql));
    const slowest = Math.max(first - 1, Math.min(...readers.map(({ position }) => position), last));
    return { waiting: last - (readers.length === 0 ? first - 1 : slowest), readers };
  }

  async close(): Promise<void> {
    // Nothing is under way.
  }

  async #read(id: string, limit: number): Promise<HistoryBatch> {
    const { rows, from, dropped } = this.#store.read((sql) => {
      const position = positionOf(sql, id);
      const after = Math.max(position, bounds(sql).first - 1);
      const select = 'SELECT seq, entry FROM history_entry WHERE seq > ? ORDER BY seq LIMIT ?';
      const found = sql(select).all<{ readonly seq: number; readonly entry: string }>(after, limit);
      return { rows: found, from: after, dropped: after - position };
    });
    const last = rows.at(-1)?.seq ?? from;
    return {
      entries: rows.map(({ entry }) => entry),
      dropped,
      acknowledge: () => this.#acknowledge(id, last),
    };
  }

  /** Not on disk at once: after a loss of power, entries that were read come again, which changes nothing. */
  async #acknowledge(id: string, position: number): Promise<void> {
    const now = this.#clock.now();
    await this.#store.write(false, ({ sql }) =>
      sql('UPDATE history_reader SET position = max(position, ?), seen = ? WHERE id = ?').run(
        position,
        now,
        id,
      ),
    );
    await this.#deleteUpTo(({ sql }) =>
      Number(sql('SELECT min(position) AS slowest FROM history_reader').get()?.slowest ?? 0),
    );
  }

  /** Deletes entries with numbers below that of `bound`, a few in each transaction, so that other processes can write in between. */
  async #deleteUpTo(bound: (transaction: Transaction) => number): Promise<void> {
    for (let deleted = trimStep; deleted === trimStep; )
      deleted = await this.#store.write(false, (transaction) => deleteSome(transaction, bound(transaction)));
  }

  /** Registers or renews; whether it was unknown. */
  #seen(id: string): Promise<boolean> {
    const now = this.#clock.now();
    return this.#store.write(true, ({ sql }) => {
      sql('DELETE FROM history_reader WHERE seen < ?').run(now - registrationMs);
      const known = sql('UPDATE history_reader SET seen = ? WHERE id = ?').run(now, id);
      if (Number(known.changes) > 0) return false;
      const { first } = bounds(sql);
      sql('INSERT INTO history_reader VALUES (?, ?, ?)').run(id, first - 1, now);
      return true;
    });
  }

  #insert(transaction: Transaction, entry: string): void {
    const insert = transaction.sql('INSERT INTO history_entry (entry) VALUES (?)');
    const seq = Number(insert.run(entry).lastInsertRowid);
    if (seq % trimEvery === 0) deleteSome(transaction, seq - this.#limit + 1);
  }

  #exists(): boolean {
    if (this.#isMade) return true;
    const find = "SELECT 1 FROM sqlite_schema WHERE name = 'history_reader'";
    return this.#store.read((sql) => sql(find).get()) !== undefined;
  }

  async #make(): Promise<void> {
    if (this.#isMade) return;
    await this.#store.migrate('history stream', streamSchema);
    this.#isMade = true;
  }

  #readers(
    sql: Prepare,
  ): readonly { readonly id: string; readonly seenAt: Date; readonly position: number }[] {
    const since = this.#clock.now() - registrationMs;
    const select = 'SELECT id, position, seen FROM history_reader WHERE seen >= ? ORDER BY seen DESC, id';
    return sql(select)
      .all(since)
      .map(({ id, position, seen }) => ({
        id: String(id),
        position: Number(position),
        seenAt: new Date(Number(seen)),
      }));
  }
}

type Prepare = Transaction['sql'];

/** The numbers of the first and the last entry; of an empty stream 1 and 0. */
function bounds(sql: Prepare): { readonly first: number; readonly last: number } {
  const first = sql('SELECT seq FROM history_entry ORDER BY seq LIMIT 1').get()?.seq ?? 1;
  const last = sql('SELECT seq FROM history_entry ORDER BY seq DESC LIMIT 1').get()?.seq ?? 0;
  return { first: Number(first), last: Number(last) };
}

/** A reader whose registration has ended reads on from the oldest entry. */
function positionOf(sql: Prepare, id: string): number {
  const position = sql('SELECT position FROM history_reader WHERE id = ?').get(id)?.position;
  return position === undefined ? bounds(sql).first - 1 : Number(position);
}

/** Deletes entries below `bound`, but never the last one: the next number follows from it. Returns how many. */
function deleteSome({ sql }: Transaction, bound: number): number {
  const { first, last } = bounds(sql);
  const end = Math.min(bound, last, first + trimStep);
  return end <= first ? 0 : Number(sql('DELETE FROM history_entry WHERE seq < ?').run(end).changes);
}
