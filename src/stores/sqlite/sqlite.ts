// Opens SQLite, with group commit: all writes of one turn of the event loop make one transaction.
import { chmodSync, closeSync, existsSync, openSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BrokerUnavailable, StoreError, StoreLostError, StoreVersionError } from '../../errors.ts';
import { SerialBatcher } from '../../lib/batch.ts';
import type { Clock } from '../../lib/clock.ts';
import { makeFolder } from '../../lib/make-folder.ts';
import { storeVersion } from '../store-version.ts';
import { loadLibrary } from './library.ts';
import { LockWait } from './lock-wait.ts';
import { Peers, peerSchema } from './peers/peers.ts';

/** The value of a column. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** A row: values by the names of their columns. */
export type SqlRow = Record<string, SqlValue>;

/** The part of `node:sqlite`'s StatementSync that we use. `Row` must match the columns of the query: nothing checks it. */
export interface Statement {
  run(...values: SqlValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  get<Row extends object = SqlRow>(...values: SqlValue[]): Row | undefined;
  all<Row extends object = SqlRow>(...values: SqlValue[]): Row[];
}

/** The part of `node:sqlite`'s DatabaseSync that we use, which both libraries have. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** A transaction under way. Statements are prepared once for each database and reused. */
export interface Transaction {
  sql(text: string): Statement;
  /** Runs statements that are needed once, such as a schema. */
  exec(text: string): void;
  /** Calls `effect` after the commit, once for each `key`; never after a rollback. */
  onCommit(key: string, effect: () => void): void;
  /** Values that are remembered until the end of this transaction. */
  readonly memo: Map<string, unknown>;
}

/** Options for opening a store. */
export interface StoreOptions {
  /** false: a separate handle, as if in another process. */
  readonly shared?: boolean;
  readonly clock?: Clock;
}

interface Pending {
  readonly run: (transaction: Transaction) => unknown;
  readonly durable: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** How many writes make one transaction at most, so that other processes can write in between. */
const maxBatch = 256;
/** How long the lock is left free between full batches, milliseconds: longer than the short sleeps of waiting processes. */
const turnMs = 0.3;
/** How long a write waits for the write lock before it fails, milliseconds. */
const busyTimeoutMs = 10_000;
/** How long a write waits for the lock in short sleeps, milliseconds. They block the event loop, as the commit will. */
const maxShortSleepsMs = 5;
/** How long a reader waits for the recovery of the log, milliseconds. */
const repairTimeoutMs = 2_000;
/** How many empty pages (4 kB each) stay in the file, since they will be needed again. */
const keptPages = 1_000;
/** How many empty pages one transaction removes from the file. */
const vacuumPages = 1_000;
/** How many prepared statements are cached. Our own are fewer; queries of the history have any number of forms. */
const keptStatements = 500;
/** How many pages (4 kB each) the WAL has before SQLite copies them into the database. */
const checkpointPages = 4_000;

/** The handles that this process shares, by file. */
const shared = new Map<string, Promise<SqliteStore>>();

/**
 * A SQLite database in WAL mode that several processes share. A process has one handle for each file.
 * Writes are queued, and all writes of one turn of the event loop are committed together. This group commit makes
 * `synchronous=FULL` affordable.
 */
export class SqliteStore {
  readonly path: string;
  /** The other processes that use the store. */
  readonly peers: Peers;
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  readonly #lockWait = new LockWait();
  readonly #batcher = new SerialBatcher<Pending>((queue) => this.#flush(queue));
  #synchronous: 'FULL' | 'NORMAL' = 'FULL';
  #isOpen = true;
  /** Device and inode of the opened file. */
  readonly #file: string;
  /** Once the file is lost, no read or write is valid any more. */
  #lost: StoreLostError | null = null;
  #users = 1;

  private constructor(path: string, database: Database, clock?: Clock) {
    this.path = path;
    this.peers = new Peers(this, clock);
    this.#database = database;
    this.#file = identityOf(path);
  }

  /** Why the file is lost; null: it is not. */
  get lost(): StoreLostError | null {
    return this.#lost;
  }

  /**
   * Opens the file, and creates it (mode 0600) and its folder (0700) if needed. The handle is shared within the process
   * unless `shared` is false; each `open` needs a `close`.
   * @throws StoreError when the file cannot be opened or is not a database.
   */
  static async open(path: string, options: StoreOptions = {}): Promise<SqliteStore> {
    const file = makeFile(path);
    if (options.shared === false) return SqliteStore.#open(file, options.clock);
    const known = shared.get(file);
    if (known !== undefined) return (await known).retain();
    const opening = SqliteStore.#open(file, options.clock);
    shared.set(file, opening);
    try {
      return await opening;
    } catch (error) {
      shared.delete(file);
      throw error;
    }
  }

  /**
   * As {@link open}, or as {@link retain} of a store that is open, with these parts of the schema up to date: what each is called, and its
   * versions. When that fails, nothing stays open.
   * @throws as `open` and {@link migrate}
   */
  static async openWith(
    parts: Readonly<Record<string, readonly string[]>>,
    at: string | SqliteStore,
    options?: StoreOptions,
  ): Promise<SqliteStore> {
    const store = typeof at === 'string' ? await SqliteStore.open(at, options) : at.retain();
    try {
      for (const [part, versions] of Object.entries(parts)) await store.migrate(part, versions);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Adds a user of the handle, which must `close` it, too. */
  retain(): this {
    this.#users++;
    return this;
  }

  static async #open(file: string, clock: Clock | undefined): Promise<SqliteStore> {
    const database = await openDatabase(file);
    try {
      const store = new SqliteStore(file, database, clock);
      await store.migrate('peer', peerSchema);
      return store;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /**
   * Brings one part of the schema up to date: `versions[n]` migrates from version n to n + 1.
   * @throws StoreError when the file was written by a newer Umbel; StoreVersionError when its tables have the names of another version.
   */
  async migrate(part: string, versions: readonly string[]): Promise<void> {
    if ((await again(() => this.#version(part))) === versions.length) return;
    await this.write(true, (transaction) => {
      if (transaction.sql("SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'").get() === undefined)
        transaction.exec(
          `CREATE TABLE schema_version (part TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID; PRAGMA user_version=${storeVersion}`,
        );
      const version = this.#version(part);
      if (version > versions.length) {
        throw new StoreError(
          `the store ${this.path} was written by a newer Umbel (${part} ${version}); update this one`,
        );
      }
      for (const step of versions.slice(version)) transaction.exec(step);
      transaction.sql('INSERT OR REPLACE INTO schema_version VALUES (?, ?)').run(part, versions.length);
    });
  }

  /**
   * Runs `work` inside the next transaction and resolves with its value after the commit. The works of a transaction run in the order of the
   * calls. `durable`: the commit is on disk when this resolves; otherwise a loss of power (not the crash of a process) may undo it. `work` may run
   * a second time if the first transaction failed, so it must have no effects except through the transaction.
   * @throws BrokerUnavailable when the store is locked for too long, full, or fails.
   */
  write<T>(durable: boolean, work: (transaction: Transaction) => T): Promise<T> {
    return new Promise<T>((yes, no) => {
      if (!this.#isOpen) return no(new BrokerUnavailable(`the store ${this.path} is closed`));
      // The queue holds works of many types; each resolver gets what its own work returned.
      this.#batcher.add({ run: work, durable, resolve: yes as (value: unknown) => void, reject: no });
    });
  }

  /** Reads committed data, without waiting for writers. */
  read<T>(work: (sql: (text: string) => Statement) => T): T {
    if (!this.#isOpen) throw new BrokerUnavailable(`the store ${this.path} is closed`);
    this.#mustBeThere();
    const start = performance.now();
    for (;;) {
      try {
        return work(this.#sql);
      } catch (error) {
        // Readers wait only for a process that recovers the log after a crash, which is quick.
        if (!isOf('busy', error) || performance.now() - start > repairTimeoutMs) throw this.#failure(error);
        Atomics.wait(napping, 0, 0, 1);
      }
    }
  }

  /** Returns empty pages to the file system after large deletions, a few at a time, so that other processes can write in between. */
  async shrink(): Promise<void> {
    const empty = (): number =>
      this.read((sql) => Number(sql('PRAGMA freelist_count').get()?.freelist_count ?? 0));
    for (let pages = empty(); pages > keptPages; ) {
      await this.write(false, ({ exec }) => exec(`PRAGMA incremental_vacuum(${vacuumPages})`));
      const left = empty();
      if (left >= pages) return; // other processes fill the pages, or the file is older than auto_vacuum
      pages = left;
    }
  }

  /** Waits for the writes under way, and closes the handle when its last user closes it. */
  async close(): Promise<void> {
    if (--this.#users > 0 || !this.#isOpen) return;
    if ((await shared.get(this.path)) === this) shared.delete(this.path);
    await this.peers.close();
    await this.#batcher.settled();
    this.#isOpen = false;
    this.#statements.clear();
    this.#database.close();
  }

  readonly #sql = (text: string): Statement => {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#database.prepare(text);
      this.#statements.set(text, statement);
      const [oldest] = this.#statements.keys();
      if (this.#statements.size > keptStatements && oldest !== undefined) this.#statements.delete(oldest);
    }
    return statement;
  };

  #version(part: string): number {
    const table = this.#sql("SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'").get();
    if (table === undefined) return 0;
    // Development versions before the first release wrote 0, SQLite's default.
    const found = Number(this.#sql('PRAGMA user_version').get()?.user_version ?? 0);
    if (found !== storeVersion)
      throw new StoreVersionError(this.path, found, storeVersion, 'name another file, or remove this one');
    return Number(this.#sql('SELECT version FROM schema_version WHERE part = ?').get(part)?.version ?? 0);
  }

  async #flush(queue: Pending[]): Promise<void> {
    const batch = queue.splice(0, maxBatch);
    await this.#commit(batch);
    // Between full batches the lock stays free long enough for processes that wait for it in short sleeps.
    if (batch.length === maxBatch && queue.length > 0) Atomics.wait(napping, 0, 0, turnMs);
  }

  async #commit(batch: readonly Pending[]): Promise<void> {
    const values: unknown[] = [];
    try {
      await this.#begin(batch.some((pending) => pending.durable));
    } catch (error) {
      for (const pending of batch) pending.reject(error);
      return;
    }
    const effects = new Map<string, () => void>();
    const transaction: Transaction = {
      sql: this.#sql,
      exec: (text) => this.#database.exec(text),
      memo: new Map(),
      onCommit: (key, effect) => void effects.set(key, effect),
    };
    try {
      for (const pending of batch) values.push(pending.run(transaction));
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#rollback();
      if (batch.length === 1) return batch[0]?.reject(this.#failure(error));
      // One write made the transaction fail, or the disk is full: each is repeated alone, so that only the faulty ones fail.
      for (const pending of batch) await this.#commit([pending]);
      return;
    }
    for (const [index, pending] of batch.entries()) pending.resolve(values[index]);
    for (const effect of effects.values()) effect();
  }

  /** Takes the write lock. Waits for other processes in short sleeps, then by timer, which does not block the event loop. */
  async #begin(durable: boolean): Promise<void> {
    this.#mustBeThere();
    const synchronous = durable ? 'FULL' : 'NORMAL';
    if (synchronous !== this.#synchronous) {
      this.#database.exec(`PRAGMA synchronous=${synchronous}`);
      this.#synchronous = synchronous;
    }
    const start = performance.now();
    for (;;) {
      try {
        this.#database.exec('BEGIN IMMEDIATE');
        this.#lockWait.over();
        return;
      } catch (error) {
        const now = performance.now();
        if (!isOf('busy', error)) throw this.#failure(error);
        if (now - start > busyTimeoutMs) {
          throw new BrokerUnavailable(
            `the store ${this.path} was locked by another process for ${busyTimeoutMs / 1000} s`,
            { cause: error },
          );
        }
        if (now - start < maxShortSleepsMs && !this.#lockWait.isLong(now)) Atomics.wait(napping, 0, 0, 0.1);
        else {
          const pauseMs = this.#lockWait.pauseMs(this.#dataVersion(), now);
          await new Promise((done) => setTimeout(done, pauseMs));
        }
      }
    }
  }

  /** A number that changes with each commit of other processes. */
  #dataVersion(): number {
    return Number(this.read((sql) => sql('PRAGMA data_version').get()?.data_version));
  }

  /** Throws unless the path still leads to the opened file: otherwise writes would go to a file that no other process reads. */
  #mustBeThere(): void {
    if (this.#lost === null) {
      const now = identityOf(this.path);
      if (now === this.#file) return;
      this.#lost = new StoreLostError(
        `the store ${this.path} was ${now === '' ? 'deleted' : 'replaced by another file'} while it was in use; nothing is written to it any more: put the file back, or begin with an empty one, and start again`,
      );
    }
    throw this.#lost;
  }

  #failure(error: unknown): Error {
    if (isOf('damage', error))
      this.#lost ??= new StoreLostError(
        `the store ${this.path} is damaged (${message(error)}): restore it from a backup, or begin with an empty one, and start again`,
        { cause: error },
      );
    return this.#lost ?? storeFailure(this.path, error);
  }

  #rollback(): void {
    try {
      this.#database.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself (disk full, I/O error).
    }
  }
}

const napping = new Int32Array(new SharedArrayBuffer(4));

function makeFile(path: string): string {
  const file = resolve(path);
  try {
    makeFolder(dirname(file), 0o700);
    // Only a missing file is created. A file that this process already has open must not be opened and closed here: when a process closes any
    // descriptor of a file, POSIX drops all its locks on that file. The next program that closes the store would then take itself for the
    // last user and delete the log while we use it (sqlite.org/howtocorrupt.html, 2.2).
    if (!existsSync(file)) makeNew(file);
    return realpathSync(file);
  } catch (error) {
    throw new StoreError(`cannot open the store ${file}: ${message(error)}; is the folder writable?`, {
      cause: error,
    });
  }
}

function makeNew(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    // Another process was faster: the file exists.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

async function openDatabase(file: string): Promise<Database> {
  const library = await loadLibrary();
  try {
    const database = library(file);
    try {
      await configure(database, file);
      return database;
    } catch (error) {
      database.close(); // on Windows nobody can delete or replace a file that is open
      throw error;
    }
  } catch (error) {
    throw new StoreError(`cannot open the store ${file}: ${message(error)}`, { cause: error });
  }
}

async function configure(database: Database, file: string): Promise<void> {
  // Several processes may open a new file at once, and the switch to WAL needs exclusive access.
  database.exec('PRAGMA busy_timeout=10000');
  if (await again(() => isOfAnother(database)))
    throw new Error('it is a database of another program; name a file of its own for the store');
  // This works in a new file only; in a file with tables it changes nothing.
  database.exec('PRAGMA auto_vacuum=INCREMENTAL');
  await again(() => database.exec('PRAGMA journal_mode=WAL'));
  database.exec(
    `PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=${checkpointPages}; PRAGMA temp_store=MEMORY`,
  );
  database.exec('PRAGMA cache_size=-32000; PRAGMA journal_size_limit=67108864');
  // From here on our own code waits for locks: SQLite would sleep for long and block the event loop.
  database.exec('PRAGMA busy_timeout=0');
  for (const suffix of ['-wal', '-shm']) chmodQuietly(file + suffix);
}

/** Whether the file is another program's database: it has tables, but not the one that every store of ours has. Nothing has been written yet. */
function isOfAnother(database: Database): boolean {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return tables.length > 0 && !tables.some(({ name }) => name === 'schema_version');
}

/**
 * Repeats `work` while the file is busy: SQLite does not wait when two processes switch to WAL at once, or when one opens the file while
 * its last user closes it.
 */
async function again<T>(work: () => T): Promise<T> {
  for (const until = performance.now() + busyTimeoutMs; ; ) {
    try {
      return work();
    } catch (error) {
      if (!isOf('busy', error) || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
    }
  }
}

function chmodQuietly(file: string): void {
  try {
    chmodSync(file, 0o600);
  } catch {
    // SQLite gives both files the mode of the database; this is for file systems where it cannot.
  }
}

/** The primary result codes of SQLite that are handled here (sqlite.org/rescode.html). */
const codes = {
  busy: [5 /* BUSY */, 6 /* LOCKED */],
  damage: [11 /* CORRUPT */, 26 /* NOTADB */],
  /** A later try may succeed. */
  refusal: [3 /* PERM */, 5, 6, 8 /* READONLY */, 10 /* IOERR */, 13 /* FULL */, 14 /* CANTOPEN */],
} as const;

function isOf(kind: keyof typeof codes, error: unknown): boolean {
  if (!(error instanceof Error && 'errcode' in error)) return false;
  // The higher bits are the extended code.
  const primary = Number(error.errcode) & 0xff;
  return codes[kind].some((code) => code === primary);
}

/** Device and inode of a path's file; empty: there is none. */
function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}

function storeFailure(path: string, error: unknown): Error {
  if (error instanceof BrokerUnavailable) return error;
  const text = message(error);
  if (isOf('refusal', error))
    return new BrokerUnavailable(`the store ${path} refuses: ${text}`, { cause: error });
  return error instanceof Error ? error : new StoreError(`the store ${path} failed: ${text}`);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
