// The PostgreSQL result backend: records in tables of our own.

import { BrokerUnavailable, StoreError } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import { systemClock } from '../../lib/clock.ts';
import { atMost } from '../../lib/deadline.ts';
import { decodeResult } from '../../protocol/result-codec.ts';
import type { ResultRecord } from '../../protocol/result-meta.ts';
import type { AuditStore } from '../audit-store.ts';
import type { ResultBackend, ResultBackendFeatures } from '../backend.ts';
import { keptMs, keptUnendedMs } from '../kept.ts';
import type { PauseStore } from '../pauses.ts';
import type { BackendOptions } from '../registry.ts';
import type { HealthFigure } from '../store-health.ts';
import type { StoreWrite } from '../store-write.ts';
import { OneShotEvent, type RecordSource, watchRecord } from '../watch-record.ts';
import { sqlStateOf } from './client/errors.ts';
import { migrate } from './client/migrate.ts';
import { PostgresPool } from './client/pool.ts';
import { postgresSettings } from './client/settings.ts';
import { PostgresChords } from './postgres-chords.ts';
import { keyOf, rowOf } from './record-row.ts';
import { resultSchema } from './schema.ts';
import { channelOf, PostgresSubscriptions } from './subscriptions.ts';
import { type RunQuery, Writes } from './writes.ts';

interface PostgresBackendOptions extends BackendOptions {
  /** How long the server has to answer, milliseconds; default 10 s. */
  readonly answerMs?: number;
}

/**
 * Opens the backend on a PostgreSQL server, and creates its tables if needed. If the server is away, the backend opens all the same, and its
 * methods wait for the server.
 * @throws ConfigError when the URL or an option of the driver is invalid; StoreError when the tables are those of a newer Umbel.
 */
export async function openPostgresBackend(
  url: string,
  options: PostgresBackendOptions,
): Promise<ResultBackend> {
  const pool = await PostgresPool.open(postgresSettings(url, 'backend', options.driver));
  const backend = new PostgresBackend(pool, options.expiresMs, options.answerMs ?? defaultAnswerMs);
  try {
    // A later result is for later calls, which wait for the same promise.
    const ready = backend.ready(performance.now() + (options.answerMs ?? defaultAnswerMs));
    ready.catch(() => undefined);
    await atMost(startMs, ready, systemClock);
  } catch (error) {
    if (error instanceof BrokerUnavailable) return backend;
    await backend.close();
    throw error;
  }
  return backend;
}

const defaultAnswerMs = 10_000;
/** How long `openPostgresBackend` waits for the server, milliseconds. */
const startMs = 1000;

interface Get {
  readonly key: string;
  resolve(meta: string | null): void;
  reject(error: unknown): void;
}

/** How many records one query reads: results may be large, and a whole answer is in memory at once. */
const maxGets = 200;
const expireBatch = 500;
const minuteMs = 60_000;

class PostgresBackend implements ResultBackend {
  readonly name = 'postgresql';
  // No broker uses this store, so no write of a record can be part of a send.
  readonly features: ResultBackendFeatures = {
    multiProcess: true,
    remembersSent: false,
    sweeps: true,
    chords: true,
  };
  readonly store: object = {};
  readonly chords: PostgresChords;
  readonly #pool: PostgresPool;
  readonly #table: string;
  readonly #answerMs: number;
  readonly #keptMs: number | null;
  readonly #keptUnendedMs: number | null;
  readonly #writes: Writes;
  readonly #gets: MicroBatcher<Get> = new MicroBatcher((gets) => {
    for (const chunk of chunksOf(gets, maxGets, 1, () => 0)) void this.#read(chunk);
  });
  readonly #subscriptions: PostgresSubscriptions;
  readonly #closing: OneShotEvent = new OneShotEvent();
  readonly #sweepEveryMs: number;
  #sweeper: NodeJS.Timeout | null = null;
  #migrated: Promise<void> | null = null;

  constructor(pool: PostgresPool, expiresMs: number | null, answerMs: number) {
    const { schema } = pool.settings;
    this.#pool = pool;
    this.#table = `${schema}.result`;
    this.#answerMs = answerMs;
    this.#keptMs = keptMs(expiresMs);
    this.#keptUnendedMs = keptUnendedMs(expiresMs);
    this.#writes = new Writes(this.#ask, schema, channelOf(pool.settings), answerMs);
    this.#subscriptions = PostgresSubscriptions.of(pool.settings);
    const alone: StoreWrite = { store: this.store, apply: refuseToTravel };
    this.chords = new PostgresChords(this.#ask, { schema, answerMs, keptMs: this.#keptUnendedMs, alone });
    // Expired records are deleted within a tenth of their lifetime, and sweeps are between 1 s and 1 min apart.
    this.#sweepEveryMs = Math.min(minuteMs, Math.max(1_000, (this.#keptMs ?? Infinity) / 10));
    this.#sweepLater(Math.random() * this.#sweepEveryMs);
  }

  /** Resolves when the tables exist. Concurrent calls share one check. */
  ready(untilMs: number): Promise<void> {
    this.#migrated ??= migrate(this.#pool, 'result', resultSchema, untilMs).catch((error: unknown) => {
      this.#migrated = null;
      throw error;
    });
    return this.#migrated;
  }

  async put(record: ResultRecord): Promise<void> {
    const row = rowOf(record);
    await this.#writes.put(row, row.rank === 0 ? this.#keptUnendedMs : this.#keptMs);
  }

  writeOf(record: ResultRecord): StoreWrite {
    rowOf(record); // throws for a record that cannot be stored
    return { store: this.store, apply: refuseToTravel };
  }

  writeOfSent(record: ResultRecord): StoreWrite {
    return this.writeOf(record);
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    const meta = await this.#meta(keyOf(id));
    return meta === null ? undefined : this.#decode(id, meta);
  }

  watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord> {
    const key = keyOf(id);
    const source: RecordSource = {
      key,
      subscriptions: this.#subscriptions,
      closed: this.#closing,
      read: () => this.#meta(key),
      decode: (meta) => this.#decode(id, meta),
    };
    return watchRecord(source, signal);
  }

  async openAudit(): Promise<AuditStore> {
    const { PostgresAudit } = await import('./postgres-audit.ts');
    return new PostgresAudit(this.#ask, this.#pool.settings.schema, this.#answerMs);
  }

  async health(): Promise<readonly HealthFigure[]> {
    const { postgresHealth } = await import('./postgres-health.ts');
    return postgresHealth(this.#ask, performance.now() + this.#answerMs);
  }

  async openPauses(): Promise<PauseStore> {
    const { PostgresPauses } = await import('./postgres-pauses.ts');
    return new PostgresPauses(this.#ask, this.#pool.settings.schema, this.#answerMs);
  }

  forget(id: string): Promise<boolean> {
    return this.#writes.forget(keyOf(id));
  }

  async expire(now?: Date): Promise<number> {
    const sql = `
      WITH deleted AS (
        DELETE FROM ${this.#table} WHERE task_id IN (
          SELECT task_id FROM ${this.#table} WHERE expires <= coalesce($1, now())
          ORDER BY expires LIMIT ${expireBatch} FOR UPDATE SKIP LOCKED
        ) RETURNING 1
      ) SELECT count(*) AS count FROM deleted`;
    for (let total = 0; ; ) {
      const [row] = await this.#ask(sql, [now ?? null], performance.now() + this.#answerMs);
      const count = Number(row?.count ?? 0);
      const chords = await this.chords.expire(now ?? null, expireBatch);
      total += count;
      if ((count < expireBatch && chords < expireBatch) || this.#closing.isOver) return total;
    }
  }

  /** Ends the watches, and waits for writes under way, at most until their deadlines. */
  async close(): Promise<void> {
    if (this.#closing.isOver) return;
    this.#closing.end();
    if (this.#sweeper !== null) clearTimeout(this.#sweeper);
    await this.#writes.settled();
    await this.#subscriptions.release();
    await this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #ask: RunQuery = async (sql, values, untilMs) => {
    await this.ready(untilMs);
    try {
      return await this.#pool.query(sql, values, untilMs);
    } catch (error) {
      if (!(error instanceof StoreError) || !isGone(error.cause)) throw error;
      // The tables were dropped, or a database without them was restored.
      this.#migrated = null;
      await this.ready(untilMs);
      return await this.#pool.query(sql, values, untilMs);
    }
  };

  #meta(key: string): Promise<string | null> {
    return new Promise((resolve, reject) => this.#gets.add({ key, resolve, reject }));
  }

  async #read(gets: readonly Get[]): Promise<void> {
    const sql = `SELECT task_id, meta FROM ${this.#table}
      WHERE task_id = ANY ($1::text[]) AND (expires IS NULL OR expires > now())`;
    try {
      const keys = [...new Set(gets.map(({ key }) => key))];
      const rows = await this.#ask(sql, [keys], performance.now() + this.#answerMs);
      const metas = new Map(rows.map((row) => [String(row.task_id), String(row.meta)]));
      for (const get of gets) get.resolve(metas.get(get.key) ?? null);
    } catch (error) {
      for (const get of gets) get.reject(error);
    }
  }

  /** @throws StoreError for text that is not a record */
  #decode(id: string, meta: string): ResultRecord {
    const decoded = decodeResult(meta);
    if (decoded.ok) return decoded.value;
    throw new StoreError(
      `the record of task ${id} at ${this.#pool.settings.shown} is damaged: ${decoded.refusal.detail}`,
    );
  }

  #sweepLater(ms: number): void {
    if (this.#closing.isOver) return;
    this.#sweeper = setTimeout(() => {
      this.#sweep()
        .catch(() => {}) // the next sweep, or another process, deletes them
        .finally(() => this.#sweepLater(this.#sweepEveryMs));
    }, ms).unref();
  }

  /** One process does each sweep: the first that finds it due sets the time of the next. */
  async #sweep(): Promise<void> {
    const sql = `UPDATE ${this.#pool.settings.schema}.chore SET due = now() + $1 * interval '1 millisecond'
      WHERE name = 'expire results' AND due <= now() RETURNING 1`;
    const mine = await this.#ask(sql, [this.#sweepEveryMs], performance.now() + this.#answerMs);
    if (mine.length > 0) await this.expire();
  }
}

function refuseToTravel(): boolean {
  throw new TypeError('no other store makes the writes of PostgreSQL');
}

/** undefined_table, invalid_schema_name. */
function isGone(error: unknown): boolean {
  const code = sqlStateOf(error);
  return code === '42P01' || code === '3F000';
}
