// Schedules in the embedded store.

import { toEntry, toRun, toState } from '../schedule-rows.ts';
import {
  afterRun,
  type Changes,
  historyLength,
  type LeadState,
  type RunRecord,
  type ScheduleStore,
  type StoredEntry,
} from '../schedule-store.ts';
import type { StoreWrite } from '../store-write.ts';
import { type SqliteStore, type SqlRow, SqliteStore as Store, type Transaction } from './sqlite.ts';

/** Each entry is the migration to the next version. */
const beatSchema: readonly string[] = [
  `
CREATE TABLE beat_lead (
  app TEXT PRIMARY KEY,
  holder TEXT NOT NULL,        -- '' = nobody
  fence INTEGER NOT NULL,      -- grows with each new leader
  beats INTEGER NOT NULL,      -- grows with each renewal
  revision INTEGER NOT NULL,   -- grows with each change of an entry
  floor INTEGER NOT NULL       -- the revision of the last deletion
) WITHOUT ROWID;
CREATE TABLE beat_entry (
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  revision INTEGER NOT NULL,
  last_due INTEGER,
  last_run INTEGER,
  last_task TEXT,
  sent INTEGER NOT NULL DEFAULT 0,
  anchor INTEGER,
  PRIMARY KEY (app, name)
) WITHOUT ROWID;
CREATE INDEX beat_entry_revision ON beat_entry (app, revision);
CREATE TABLE beat_run (
  seq INTEGER PRIMARY KEY,
  app TEXT NOT NULL,
  name TEXT NOT NULL,
  due INTEGER NOT NULL,
  until INTEGER NOT NULL,
  at INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  task_id TEXT,
  detail TEXT
);
CREATE INDEX beat_run_name ON beat_run (app, name, seq);`,
];

/** @throws StoreError, BrokerUnavailable */
export async function openSqliteScheduleStore(path: string, app: string): Promise<ScheduleStore> {
  const store = await Store.openWith({ beat: beatSchema }, path);
  return new SqliteScheduleStore(store, app);
}

type Row = Readonly<SqlRow>;

class SqliteScheduleStore implements ScheduleStore {
  readonly name = 'sqlite';
  readonly store: SqliteStore;
  readonly #app: string;
  #closed = false;

  constructor(store: SqliteStore, app: string) {
    this.store = store;
    this.#app = app;
  }

  async lead(holder: string, seen: Pick<LeadState, 'fence' | 'beats'> | null): Promise<LeadState> {
    const present = this.store.read((sql) => sql(selectLead).get(this.#app));
    if (present !== undefined && !mayLead(present, holder, seen)) return toLead(present);
    // No flush to disk: a loss of power that undoes the lead also ends its holder.
    const lead = await this.store.write(false, (transaction) => this.#lead(transaction, holder, seen));
    return { ...lead, nowMs: Date.now() };
  }

  async resign(holder: string): Promise<void> {
    await this.store.write(false, ({ sql }) =>
      sql("UPDATE beat_lead SET holder = '' WHERE app = ? AND holder = ?").run(this.#app, holder),
    );
  }

  async now(): Promise<number> {
    return Date.now();
  }

  async changes(since: number | null): Promise<Changes> {
    return this.store.read((sql) => {
      const lead = sql(selectLead).get(this.#app);
      const revision = Number(lead?.revision ?? 0);
      const complete = since === null || since < Number(lead?.floor ?? 0);
      const rows = sql('SELECT * FROM beat_entry WHERE app = ? AND revision > ?').all(
        this.#app,
        complete ? -1 : since,
      );
      return { revision, entries: rows.map(toEntry), complete };
    });
  }

  async get(name: string): Promise<StoredEntry | undefined> {
    const row = this.store.read((sql) => sql(selectEntry).get(this.#app, name));
    return row && toEntry(row);
  }

  put(name: string, text: string, expected: number | null): Promise<boolean> {
    return this.store.write(true, (transaction) => {
      const { sql } = transaction;
      const before = sql(selectEntry).get(this.#app, name);
      if ((before === undefined ? null : Number(before.revision)) !== expected) return false;
      const revision = this.#nextRevision(transaction);
      sql(
        `INSERT INTO beat_entry (app, name, text, revision) VALUES (?, ?, ?, ?)
         ON CONFLICT (app, name) DO UPDATE SET text = excluded.text, revision = excluded.revision, anchor = NULL`,
      ).run(this.#app, name, text, revision);
      return true;
    });
  }

  remove(name: string): Promise<boolean> {
    return this.store.write(true, (transaction) => {
      const { sql } = transaction;
      if (Number(sql('DELETE FROM beat_entry WHERE app = ? AND name = ?').run(this.#app, name).changes) === 0)
        return false;
      sql('DELETE FROM beat_run WHERE app = ? AND name = ?').run(this.#app, name);
      sql('UPDATE beat_lead SET floor = ? WHERE app = ?').run(this.#nextRevision(transaction), this.#app);
      return true;
    });
  }

  record(fence: number | null, runs: readonly RunRecord[]): Promise<'recorded' | 'fenced'> {
    return this.store.write(true, (transaction) => {
      if (fence !== null && !this.#leads(transaction, fence)) return 'fenced';
      for (const run of runs) this.#settle(transaction, run, fence === null);
      return 'recorded';
    });
  }

  writeOf(fence: number, run: RunRecord): StoreWrite {
    return {
      store: this.store,
      apply: (transaction: Transaction) =>
        this.#leads(transaction, fence) && this.#settle(transaction, run, false),
    };
  }

  async history(name: string, limit: number): Promise<readonly RunRecord[]> {
    return this.store.read((sql) =>
      sql('SELECT * FROM beat_run WHERE app = ? AND name = ? ORDER BY seq DESC LIMIT ?')
        .all(this.#app, name, Math.min(limit, historyLength))
        .map(toRun),
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #lead(
    { sql }: Transaction,
    holder: string,
    seen: Pick<LeadState, 'fence' | 'beats'> | null,
  ): Omit<LeadState, 'nowMs'> {
    sql("INSERT OR IGNORE INTO beat_lead VALUES (?, '', 0, 0, 0, 0)").run(this.#app);
    const row = sql(selectLead).get(this.#app) ?? {};
    if (row.holder === holder) sql('UPDATE beat_lead SET beats = beats + 1 WHERE app = ?').run(this.#app);
    else if (mayLead(row, holder, seen))
      sql('UPDATE beat_lead SET holder = ?, fence = fence + 1, beats = 0 WHERE app = ?').run(
        holder,
        this.#app,
      );
    return toLead(sql(selectLead).get(this.#app) ?? {});
  }

  #leads({ sql }: Transaction, fence: number): boolean {
    return Number(sql(selectLead).get(this.#app)?.fence) === fence;
  }

  #settle({ sql }: Transaction, run: RunRecord, beside: boolean): boolean {
    const { name, dueMs, untilMs, atMs, outcome, taskId, detail } = run;
    const row = sql(selectEntry).get(this.#app, name);
    const state = row && afterRun(toState(row), run, beside);
    if (!state) return false;
    sql(
      'UPDATE beat_entry SET last_due = ?, last_run = ?, last_task = ?, sent = ?, anchor = ? WHERE app = ? AND name = ?',
    ).run(state.lastDueMs, state.lastRunMs, state.lastTaskId, state.sent, state.anchorMs, this.#app, name);
    const inserted = sql(
      'INSERT INTO beat_run (app, name, due, until, at, outcome, task_id, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ).run(this.#app, name, dueMs, untilMs, atMs, outcome, taskId, detail);
    // Only once in a while, since it takes longer than the other statements.
    if (Number(inserted.lastInsertRowid) % trimEvery === 0)
      sql(
        `DELETE FROM beat_run WHERE app = ?1 AND name = ?2 AND seq <=
         (SELECT seq FROM beat_run WHERE app = ?1 AND name = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ${historyLength})`,
      ).run(this.#app, name);
    return true;
  }

  #nextRevision({ sql }: Transaction): number {
    sql("INSERT OR IGNORE INTO beat_lead VALUES (?, '', 0, 0, 0, 0)").run(this.#app);
    sql('UPDATE beat_lead SET revision = revision + 1 WHERE app = ?').run(this.#app);
    return Number(sql(selectLead).get(this.#app)?.revision);
  }
}

const trimEvery = 16;
const selectLead = 'SELECT * FROM beat_lead WHERE app = ?';
const selectEntry = 'SELECT * FROM beat_entry WHERE app = ? AND name = ?';

function mayLead(row: Row, holder: string, seen: Pick<LeadState, 'fence' | 'beats'> | null): boolean {
  return (
    row.holder === holder ||
    row.holder === '' ||
    (seen !== null && Number(row.fence) === seen.fence && Number(row.beats) === seen.beats)
  );
}

function toLead({ holder, fence, beats, revision }: Row): LeadState {
  return {
    holder: String(holder),
    fence: Number(fence),
    beats: Number(beats),
    revision: Number(revision),
    nowMs: Date.now(),
  };
}
