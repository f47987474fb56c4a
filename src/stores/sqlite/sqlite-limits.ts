// Shared limits in the embedded store. Permits belong to a peer of the store; the transaction that evicts a dead peer frees them.

import {
  type LimiterStore,
  maxCounted,
  notifyWaiters,
  type QueuedWaiter,
  type RateState,
  releaseFrom,
  takeFrom,
} from '../limit-rules.ts';
import {
  forgetMs,
  type Grant,
  type LimitAsk,
  type Limits,
  type LimitsOptions,
  renotifyMs,
  type TakeRequest,
  type WaitingMessage,
} from '../limits.ts';
import type { SqliteStore, SqlRow, Statement, Transaction } from './sqlite.ts';

const limitSchema: readonly string[] = [
  `
CREATE TABLE limit_held (
  key TEXT NOT NULL, token TEXT NOT NULL,
  owner INTEGER NOT NULL,             -- peer.id
  PRIMARY KEY (key, token)
) WITHOUT ROWID;
CREATE INDEX limit_held_owner ON limit_held (owner);
CREATE TABLE limit_waiter (             -- who waits for a permit
  key TEXT NOT NULL, id TEXT NOT NULL, queue TEXT NOT NULL, due INTEGER NOT NULL,
  since INTEGER NOT NULL,             -- in line in this order, then that of id
  notified INTEGER NOT NULL,             -- when it was notified, milliseconds since 1970; 0: it was not
  PRIMARY KEY (key, id)
) WITHOUT ROWID;
CREATE INDEX limit_waiter_order ON limit_waiter (key, notified, since, id);
CREATE INDEX limit_waiter_notified ON limit_waiter (notified) WHERE notified > 0;
CREATE TABLE limit_rate (key TEXT PRIMARY KEY, next REAL NOT NULL, spread REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE limit_reservation (key TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (key, id)) WITHOUT ROWID;
CREATE INDEX limit_reservation_at ON limit_reservation (key, at);
CREATE TABLE limit_override (kind TEXT NOT NULL, name TEXT NOT NULL, value REAL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE limit_freed (key TEXT NOT NULL);  -- by the death of the owner; nobody was notified yet
CREATE TRIGGER evict_permits AFTER DELETE ON peer BEGIN
  INSERT INTO limit_freed SELECT key FROM limit_held WHERE owner = OLD.id;
  DELETE FROM limit_held WHERE owner = OLD.id;
END;`,
];

/** How often permits that dead peers freed are passed on, milliseconds. */
const sweepMs = 2000;
/** How often an evicted process joins again within one request, before the request has to wait. */
const maxTries = 3;

/** Creates the tables if they are not there. */
export function openSqliteLimitTables(store: SqliteStore): Promise<void> {
  return store.migrate('limit', limitSchema);
}

export async function openSqliteLimits(store: SqliteStore, options: LimitsOptions): Promise<Limits> {
  await openSqliteLimitTables(store);
  await store.peers.own(options.leaseMs, options.name);
  return new SqliteLimits(store.retain(), options);
}

class SqliteLimits implements Limits {
  readonly #store: SqliteStore;
  readonly #options: LimitsOptions;
  readonly #held = new Map<string, readonly LimitAsk[]>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #unlisten: () => void;
  #closed = false;

  constructor(store: SqliteStore, options: LimitsOptions) {
    this.#store = store;
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref();
    this.#unlisten = store.peers.listen({ onPeerEvicted: () => setImmediate(() => this.#sweep()) });
  }

  async take(request: TakeRequest): Promise<Grant> {
    const { peers } = this.#store;
    for (let tries = 0; tries < maxTries; tries++) {
      const owner = await peers.id();
      const grant = await this.#store.write(false, (transaction) => {
        // Evicted: permits under this id would belong to no peer.
        if (!peers.isListed(transaction, owner)) return null;
        return takeFrom(new SqliteTables(transaction, owner), request, Date.now());
      });
      if (grant?.granted) this.#held.set(request.token, request.asks);
      if (grant !== null) return grant;
      await peers.sweep(); // joins again
    }
    return { granted: false, untilMs: Date.now() + 100 };
  }

  release(token: string, asks: readonly LimitAsk[]): void {
    this.#held.delete(token);
    this.#retry((tables, now) => releaseFrom(tables, token, asks, now));
  }

  cancelWait({ key, id }: WaitingMessage): void {
    this.#retry((tables, now) => {
      tables.removeWaiter(key, id);
      return notifyWaiters(tables, key, 1, now);
    });
  }

  async override(kind: LimitAsk['kind'], name: string, limit: number | null | undefined): Promise<void> {
    await this.#store.write(true, ({ sql }) => {
      if (limit === undefined) sql('DELETE FROM limit_override WHERE kind = ? AND name = ?').run(kind, name);
      else sql('INSERT OR REPLACE INTO limit_override VALUES (?, ?, ?)').run(kind, name, limit);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#unlisten();
    const held = [...this.#held];
    const free = (tables: LimiterStore, now: number): readonly WaitingMessage[] =>
      held.flatMap(([token, asks]) => releaseFrom(tables, token, asks, now));
    if (held.length > 0) this.#options.onFree(await this.#write(free).catch(() => []));
    await this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #write<T>(work: (tables: LimiterStore, now: number) => T): Promise<T> {
    return this.#store.write(false, (transaction) => work(new SqliteTables(transaction, -1), Date.now()));
  }

  /** Repeats a write until it succeeds: a permit that is not given back would be lost until this process ends. */
  #retry(work: (tables: LimiterStore, now: number) => readonly WaitingMessage[]): void {
    const attempt = async (): Promise<void> => {
      try {
        this.#reportFree(await this.#write(work));
      } catch {
        if (!this.#closed) setTimeout(() => void attempt(), 500).unref();
      }
    };
    void attempt();
  }

  #sweep(): void {
    if (this.#closed) return;
    const late = Date.now() - renotifyMs;
    const work = this.#store.read((sql) =>
      sql(`SELECT 1 FROM limit_freed UNION ALL SELECT 1 FROM (${overdue}) LIMIT 1`).get(late),
    );
    if (work === undefined) return;
    this.#store
      .write(false, (transaction) => {
        const tables = new SqliteTables(transaction, -1);
        const rows = transaction.sql('SELECT key FROM limit_freed').all();
        transaction.sql('DELETE FROM limit_freed').run();
        const again = transaction.sql(`${overdue} LIMIT 20`).all(late).map(inLine);
        for (const waiter of again) if (waiter) tables.putWaiter({ ...waiter, notified: Date.now() });
        const freed = rows.flatMap(({ key }) => notifyWaiters(tables, String(key), 1, Date.now()));
        return [...freed, ...again.filter((waiter) => waiter !== undefined)];
      })
      .then((waiters) => this.#reportFree(waiters))
      .catch(() => undefined);
  }

  #reportFree(waiters: readonly WaitingMessage[]): void {
    if (waiters.length > 0) this.#options.onFree(waiters);
  }
}

/** Waiters that were notified and did not ask: the worker that had to pass the notification on may have died. */
const overdue = 'SELECT * FROM limit_waiter WHERE notified > 0 AND notified < ?';

class SqliteTables implements LimiterStore {
  readonly #sql: (text: string) => Statement;
  readonly #owner: number;

  constructor({ sql }: Transaction, owner: number) {
    this.#sql = sql;
    this.#owner = owner;
  }

  override(kind: string, name: string): number | null | undefined {
    const row = this.#sql('SELECT value FROM limit_override WHERE kind = ? AND name = ?').get(kind, name);
    return row === undefined ? undefined : row.value === null ? null : Number(row.value);
  }

  held(key: string): number {
    return this.#count('SELECT count(*) AS n FROM limit_held WHERE key = ?', key);
  }

  isHeld(key: string, token: string): boolean {
    return this.#sql('SELECT 1 FROM limit_held WHERE key = ? AND token = ?').get(key, token) !== undefined;
  }

  hold(key: string, token: string): void {
    this.#sql('INSERT OR REPLACE INTO limit_held VALUES (?, ?, ?)').run(key, token, this.#owner);
  }

  drop(key: string, token: string): void {
    this.#sql('DELETE FROM limit_held WHERE key = ? AND token = ?').run(key, token);
  }

  waiter(key: string, id: string): QueuedWaiter | undefined {
    return inLine(this.#sql('SELECT * FROM limit_waiter WHERE key = ? AND id = ?').get(key, id));
  }

  putWaiter({ key, id, queue, due, since, notified }: QueuedWaiter): void {
    this.#sql('INSERT OR REPLACE INTO limit_waiter VALUES (?, ?, ?, ?, ?, ?)').run(
      key,
      id,
      queue,
      due,
      since,
      notified,
    );
  }

  removeWaiter(key: string, id: string): void {
    this.#sql('DELETE FROM limit_waiter WHERE key = ? AND id = ?').run(key, id);
  }

  waiting(key: string): number {
    const some = `SELECT 1 FROM limit_waiter WHERE key = ? AND notified = 0 LIMIT ${maxCounted}`;
    return this.#count(`SELECT count(*) AS n FROM (${some})`, key);
  }

  first(key: string): QueuedWaiter | undefined {
    return inLine(
      this.#sql('SELECT * FROM limit_waiter WHERE key = ? AND notified = 0 ORDER BY since, id LIMIT 1').get(
        key,
      ),
    );
  }

  notifiedSince(key: string, ms: number): number {
    return this.#count('SELECT count(*) AS n FROM limit_waiter WHERE key = ? AND notified > ?', key, ms);
  }

  forgetNotified(key: string, ms: number): void {
    this.#sql('DELETE FROM limit_waiter WHERE key = ? AND notified > 0 AND notified < ?').run(key, ms);
  }

  rate(key: string): RateState {
    const row = this.#sql('SELECT next, spread FROM limit_rate WHERE key = ?').get(key);
    return { next: Number(row?.next ?? 0), spread: Number(row?.spread ?? 0) };
  }

  setRate(key: string, { next, spread }: RateState): void {
    if (this.#sql('SELECT 1 FROM limit_rate WHERE key = ?').get(key) === undefined)
      this.#sql('DELETE FROM limit_rate WHERE next < ? AND spread < ?').run(
        Date.now() - forgetMs,
        Date.now(),
      );
    this.#sql('INSERT OR REPLACE INTO limit_rate VALUES (?, ?, ?)').run(key, next, spread);
  }

  reservation(key: string, id: string): number | undefined {
    const row = this.#sql('SELECT at FROM limit_reservation WHERE key = ? AND id = ?').get(key, id);
    return row === undefined ? undefined : Number(row.at);
  }

  reservations(key: string): number {
    return this.#count('SELECT count(*) AS n FROM limit_reservation WHERE key = ?', key);
  }

  reserve(key: string, id: string, at: number): void {
    this.#sql('INSERT OR REPLACE INTO limit_reservation VALUES (?, ?, ?)').run(key, id, at);
  }

  endReservation(key: string, id: string): void {
    this.#sql('DELETE FROM limit_reservation WHERE key = ? AND id = ?').run(key, id);
  }

  forgetReservations(key: string, before: number): void {
    this.#sql('DELETE FROM limit_reservation WHERE key = ? AND at < ?').run(key, before);
  }

  #count(sql: string, ...values: (string | number)[]): number {
    return Number(this.#sql(sql).get(...values)?.n ?? 0);
  }
}

function inLine(row: SqlRow | undefined): QueuedWaiter | undefined {
  if (row === undefined) return undefined;
  const { key, id, queue, due, since, notified } = row;
  return {
    key: String(key),
    id: String(id),
    queue: String(queue),
    due: Number(due),
    since: Number(since),
    notified: Number(notified),
  };
}
