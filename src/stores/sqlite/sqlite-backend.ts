// The embedded result backend: records in the same SQLite file as the messages, or in a separate file.

import { StoreError } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { Sleeper } from '../../lib/sleeper.ts';
import { decodeResult, encodeResult } from '../../protocol/result-codec.ts';
import { isReady, type ResultRecord } from '../../protocol/result-meta.ts';
import type { AuditStore } from '../audit-store.ts';
import type { ResultBackend, ResultBackendFeatures } from '../backend.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../limits.ts';
import type { Locks } from '../locks.ts';
import type { PauseStore } from '../pauses.ts';
import type { HealthFigure } from '../store-health.ts';
import { inOrder, type StoreWrite } from '../store-write.ts';
import { SqliteStore, type Statement, type StoreOptions, type Transaction } from './sqlite.ts';
import { chordSchema, SqliteChords } from './sqlite-chords.ts';

const resultSchema: readonly string[] = [
  `
CREATE TABLE result (
  task_id TEXT PRIMARY KEY,       -- time-ordered (UUID 7) if we made it: new rows stay together
  status TEXT NOT NULL,
  change INTEGER NOT NULL,        -- counts up with each write, from anywhere: what a watcher compares
  expires INTEGER NOT NULL,       -- milliseconds since 1970
  meta TEXT NOT NULL              -- Celery's JSON
) WITHOUT ROWID;
CREATE INDEX result_expires ON result (expires);
CREATE TABLE watcher (            -- who wants to be notified, once, when this record changes
  task_id TEXT NOT NULL, owner INTEGER NOT NULL,
  PRIMARY KEY (task_id, owner)
) WITHOUT ROWID;
CREATE TRIGGER evict_watcher AFTER DELETE ON peer BEGIN
  DELETE FROM watcher WHERE owner = OLD.id;
END;`,
];

/** Key of the transaction's memo that no process watches a record. */
const noWatcher = 'nobody watches results';

/** An expiry that never comes: beyond any clock, and still a safe integer. */
const never = Number.MAX_SAFE_INTEGER;
/** The record of a task that was sent and never ended is kept at least this long, milliseconds. */
const sentKeptMs = 7 * 24 * 3600 * 1000;
/** How often a watcher reads the record even without a notification, milliseconds. */
const pollIntervalMs = 2000;
const expireBatch = 500;

interface SqliteBackendOptions extends StoreOptions {
  /** How long records are kept after the task ended, milliseconds; null = for ever. */
  readonly expiresMs: number | null;
}

/**
 * Opens the backend on a SQLite file, which is created if needed, or on an open store.
 * @throws StoreError when the file cannot be opened, is not a database, or was written by a newer version.
 */
export async function openSqliteBackend(
  at: string | SqliteStore,
  options: SqliteBackendOptions,
): Promise<ResultBackend> {
  const store = await SqliteStore.openWith({ result: resultSchema, chord: chordSchema }, at, options);
  return new SqliteBackend(store, options.expiresMs, options.clock ?? systemClock);
}

type Look =
  | { readonly kind: 'changed'; readonly change: number; readonly record: ResultRecord }
  | { readonly kind: 'same' };

class SqliteBackend implements ResultBackend {
  readonly name = 'sqlite';
  readonly features: ResultBackendFeatures = {
    multiProcess: true,
    remembersSent: true,
    sweeps: true,
    chords: true,
  };
  readonly store: SqliteStore;
  readonly chords: SqliteChords;
  readonly #expiresMs: number | null;
  readonly #clock: Clock;
  /** The watchers of each record in this process. One row in the store serves all of them. */
  readonly #sleepers = new Map<string, Set<Sleeper>>();
  readonly #unlisten: () => void;
  readonly #sweeper: NodeJS.Timeout | null;
  #closed = false;

  constructor(store: SqliteStore, expiresMs: number | null, clock: Clock) {
    this.store = store;
    this.#expiresMs = expiresMs;
    this.#clock = clock;
    this.chords = new SqliteChords(store, { expiryOfOpen: () => this.#expiryOfUnended() }, clock);
    this.#unlisten = store.peers.listen({
      onNotified: (text) => {
        if (text.startsWith('result ')) this.#wake(text.slice('result '.length));
      },
      onEvicted: () => {
        for (const id of this.#sleepers.keys()) this.#wake(id);
      },
    });
    // Expired records are deleted within a tenth of their lifetime, and sweeps are between 1 s and 1 min apart.
    const everyMs = Math.min(60_000, Math.max(1_000, (expiresMs ?? sentKeptMs) / 10));
    this.#sweeper = setInterval(() => void this.expire().catch(() => {}), everyMs).unref();
  }

  async put(record: ResultRecord): Promise<void> {
    const write = this.writeOf(record);
    // An intermediate state needs no flush to disk: after a loss of power, running tasks run again.
    await this.store.write(isReady(record.status), (transaction) => write.apply(transaction as never));
  }

  writeOf(record: ResultRecord, ...more: readonly ResultRecord[]): StoreWrite {
    const meta = encodeResult(record);
    const expires = this.#expiryOf(record);
    const apply = (transaction: Transaction): boolean => this.#put(transaction, record, meta, expires);
    return inOrder(
      { store: this.store, apply },
      more.map((each) => this.writeOf(each)),
    );
  }

  writeOfSent(record: ResultRecord): StoreWrite {
    const meta = encodeResult(record);
    const expires = this.#expiryOf(record);
    const apply = ({ sql }: Transaction): boolean => {
      const row = [record.taskId, record.status, firstChange(), expires, meta, this.#clock.now()];
      return Number(sql(upsert('expires <= ?6')).run(...row).changes) > 0;
    };
    return { store: this.store, apply };
  }

  async forgetPending(ids: readonly string[]): Promise<void> {
    await this.store.write(false, ({ sql }) => {
      for (const id of ids) sql("DELETE FROM result WHERE task_id = ? AND status = 'PENDING'").run(id);
    });
    await this.store.shrink();
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    return this.store.read((sql) => this.#row(sql, id))?.record;
  }

  async *watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord> {
    let seen = 0;
    while (!signal.aborted && !this.#closed) {
      const next = await this.#nextChange(id, seen, signal);
      if (next === undefined) return;
      seen = next.change;
      yield next.record;
      if (isReady(next.record.status)) return;
    }
  }

  async openLocks(): Promise<Locks> {
    const { openSqliteLocks } = await import('./sqlite-locks.ts');
    return openSqliteLocks(this.store);
  }

  async openAudit(): Promise<AuditStore> {
    const { openSqliteAudit } = await import('./sqlite-audit.ts');
    return openSqliteAudit(this.store);
  }

  async health(): Promise<readonly HealthFigure[]> {
    const { sqliteHealth } = await import('./sqlite-health.ts');
    return sqliteHealth(this.store.path);
  }

  async openPauses(): Promise<PauseStore> {
    const { openSqlitePauses } = await import('./sqlite-pauses.ts');
    return openSqlitePauses(this.store);
  }

  async openLimits(options: LimitsOptions): Promise<Limits> {
    const { openSqliteLimits } = await import('./sqlite-limits.ts');
    return openSqliteLimits(this.store, options);
  }

  async readLimits(reading: LimitReading): Promise<LimitReport> {
    const { readSqliteLimits } = await import('./sqlite-limit-report.ts');
    return readSqliteLimits(this.store, reading);
  }

  forget(id: string): Promise<boolean> {
    return this.store.write(true, (transaction) => {
      const { changes } = transaction.sql('DELETE FROM result WHERE task_id = ?').run(id);
      return Number(changes) > 0;
    });
  }

  async expire(now: Date = new Date(this.#clock.now())): Promise<number> {
    for (let total = 0; ; ) {
      const expired = `SELECT task_id FROM result WHERE expires <= ? LIMIT ${expireBatch}`;
      const changes = await this.store.write(false, ({ sql }) =>
        Number(sql(`DELETE FROM result WHERE task_id IN (${expired})`).run(now.getTime()).changes),
      );
      const chords = await this.chords.expire(now.getTime(), expireBatch);
      total += changes;
      if (changes < expireBatch && chords < expireBatch) return total;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#unlisten();
    for (const id of [...this.#sleepers.keys()]) this.#wake(id);
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Celery never overwrites a SUCCESS. Umbel, in addition, never replaces the state of an ended task by an unended one. */
  #put(transaction: Transaction, record: ResultRecord, meta: string, expires: number): boolean {
    const { sql } = transaction;
    const replaceable = isReady(record.status)
      ? "status <> 'SUCCESS'"
      : "status NOT IN ('SUCCESS', 'FAILURE', 'REVOKED')";
    const row = [record.taskId, record.status, firstChange(), expires, meta, this.#clock.now()];
    const { changes } = sql(upsert(`${replaceable} OR expires <= ?6`)).run(...row);
    if (Number(changes) === 0) return false;
    this.#notifyWatchers(transaction, record.taskId);
    return true;
  }

  #notifyWatchers(transaction: Transaction, id: string): void {
    const { sql, memo } = transaction;
    if (!memo.has(noWatcher)) memo.set(noWatcher, sql('SELECT 1 FROM watcher LIMIT 1').get() === undefined);
    if (memo.get(noWatcher) === true) return;
    for (const { owner } of sql('DELETE FROM watcher WHERE task_id = ? RETURNING owner').all(id)) {
      this.store.peers.notifyOnCommit(transaction, Number(owner), `result ${id}`);
    }
  }

  #row(sql: (text: string) => Statement, id: string): { change: number; record: ResultRecord } | undefined {
    const row = sql('SELECT change, expires, meta FROM result WHERE task_id = ?').get(id);
    if (row === undefined || Number(row.expires) <= this.#clock.now()) return undefined;
    const decoded = decodeResult(String(row.meta));
    if (!decoded.ok) throw new StoreError(`the record of task ${id} is damaged: ${decoded.refusal.detail}`);
    return { change: Number(row.change), record: decoded.value };
  }

  #expiryOf(record: ResultRecord): number {
    if (this.#expiresMs === null) return never;
    return isReady(record.status) ? this.#clock.now() + this.#expiresMs : this.#expiryOfUnended();
  }

  #expiryOfUnended(): number {
    return this.#expiresMs === null ? never : this.#clock.now() + Math.max(this.#expiresMs, sentKeptMs);
  }

  /** The record as soon as its change number differs from `seen`; undefined when `signal` is aborted first. */
  async #nextChange(
    id: string,
    seen: number,
    signal: AbortSignal,
  ): Promise<{ change: number; record: ResultRecord } | undefined> {
    const sleeper = new Sleeper(this.#clock);
    const sleepers = this.#sleepers.get(id) ?? new Set();
    this.#sleepers.set(id, sleepers.add(sleeper));
    signal.addEventListener('abort', sleeper.wake, { once: true });
    try {
      const now = this.store.read((sql) => this.#row(sql, id));
      if (now !== undefined && now.change !== seen) return now;
      const owner = await this.store.peers.id();
      while (!signal.aborted && !this.#closed) {
        const look = await this.store.write(false, (transaction) => this.#look(transaction, id, seen, owner));
        if (look.kind === 'changed') return look;
        await sleeper.sleep(pollIntervalMs);
      }
      return undefined;
    } finally {
      signal.removeEventListener('abort', sleeper.wake);
      sleepers.delete(sleeper);
      if (sleepers.size === 0 && this.#sleepers.get(id) === sleepers) this.#sleepers.delete(id);
    }
  }

  /** In one transaction: reads the change, or adds this process to the list of watchers. */
  #look(transaction: Transaction, id: string, seen: number, owner: number): Look {
    const row = this.#row(transaction.sql, id);
    if (row !== undefined && row.change !== seen) return { kind: 'changed', ...row };
    transaction.sql('INSERT OR IGNORE INTO watcher VALUES (?, ?)').run(id, owner);
    transaction.memo.delete(noWatcher);
    return { kind: 'same' };
  }

  #wake(id: string): void {
    for (const sleeper of this.#sleepers.get(id) ?? []) sleeper.wake();
  }
}

/** Writes a record if none exists or the existing one may be replaced. An expired record may always be replaced. */
function upsert(replaceable: string): string {
  return `INSERT INTO result VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (task_id) DO UPDATE SET
      status = excluded.status, change = change + 1, expires = excluded.expires, meta = excluded.meta
    WHERE ${replaceable}`;
}

/** The first change number of a record. It is random, so that a new record differs from a forgotten record of the same id. */
function firstChange(): number {
  return Math.floor(Math.random() * 2 ** 52);
}
