// Writes records. The writes that arrive while one statement runs make the next statement.

import { StoreError } from '../../errors.ts';
import { SerialBatcher } from '../../lib/batch.ts';
import type { PostgresPool } from './client/pool.ts';
import { lastingOf, type RecordRow } from './record-row.ts';

/** Runs a statement. */
export type RunQuery = PostgresPool['query'];

interface Put {
  readonly kind: 'put';
  readonly key: string;
  readonly row: RecordRow;
  readonly keptMs: number | null;
  readonly untilMs: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface Forget {
  readonly kind: 'forget';
  readonly key: string;
  readonly untilMs: number;
  resolve(wasThere: boolean): void;
  reject(error: unknown): void;
}

/** How many records, and how many characters (`maxSize`), one statement writes. */
const maxWrites = 500;
const maxSize = 4_000_000;

export class Writes {
  readonly #ask: RunQuery;
  readonly #putSql: string;
  readonly #forgetSql: string;
  readonly #timeoutMs: number;
  /** One statement at a time, which keeps the order of writes. The wait is no longer than the wait for the disk would be. */
  readonly #batcher = new SerialBatcher<Put | Forget>((queue) =>
    queue[0]?.kind === 'put' ? this.#put(take(queue, isPut)) : this.#forget(take(queue, isForget)),
  );

  /** `channel`: the channel of notifications with the keys of written records. */
  constructor(ask: RunQuery, schema: string, channel: string, timeoutMs: number) {
    this.#ask = ask;
    this.#putSql = putSql(schema, channel);
    this.#forgetSql = forgetSql(schema);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves when the record is stored, or was not needed since a later one counts. `keptMs`: milliseconds; null: for ever.
   * @throws BrokerUnavailable when the server refuses or does not answer in time. A retry is safe.
   * @throws StoreError when the server cannot store this record.
   */
  put(row: RecordRow, keptMs: number | null): Promise<void> {
    const untilMs = performance.now() + this.#timeoutMs;
    return new Promise<void>((resolve, reject) =>
      this.#batcher.add({ kind: 'put', key: row.key, row, keptMs, untilMs, resolve, reject }),
    );
  }

  /** False when there was no record. Throws like {@link put}. */
  forget(key: string): Promise<boolean> {
    const untilMs = performance.now() + this.#timeoutMs;
    return new Promise((resolve, reject) =>
      this.#batcher.add({ kind: 'forget', key, untilMs, resolve, reject }),
    );
  }

  /** Waits until all writes have succeeded or failed. */
  settled(): Promise<void> {
    return this.#batcher.settled();
  }

  async #put(puts: readonly Put[]): Promise<void> {
    const lasting = new Map<string, Put>();
    for (const put of puts) {
      const before = lasting.get(put.key);
      if (before === undefined || lastingOf(before.row, put.row) === put.row) lasting.set(put.key, put);
    }
    // All processes lock rows in the same order, so that there is no deadlock.
    const given = [...lasting.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    const values = [
      given.map(({ key }) => key),
      given.map(({ row }) => row.status),
      given.map(({ row }) => row.rank),
      given.map(({ keptMs }) => keptMs),
      given.map(({ row }) => row.meta),
    ];
    try {
      await this.#ask(this.#putSql, values, puts[0]?.untilMs ?? 0);
    } catch (error) {
      // One record made the statement fail: each is repeated alone, so that only the faulty ones fail.
      if (error instanceof StoreError && puts.length > 1) for (const put of puts) await this.#put([put]);
      else for (const put of puts) put.reject(error);
      return;
    }
    for (const put of puts) put.resolve();
  }

  async #forget(forgets: readonly Forget[]): Promise<void> {
    try {
      const keys = [...new Set(forgets.map(({ key }) => key))];
      const rows = await this.#ask(this.#forgetSql, [keys], forgets[0]?.untilMs ?? 0);
      const there = new Set(rows.map(({ task_id }) => task_id));
      // Of several calls for the same record, the first gets `true`.
      for (const { key, resolve } of forgets) resolve(there.delete(key));
    } catch (error) {
      for (const forget of forgets) forget.reject(error);
    }
  }
}

/** Takes writes of one kind from the head of the queue, at most as many as one statement can have. */
function take<Kind extends Put | Forget>(
  queue: (Put | Forget)[],
  isOfKind: (write: Put | Forget) => write is Kind,
): readonly Kind[] {
  const taken: Kind[] = [];
  let size = 0;
  for (const write of queue) {
    if (!isOfKind(write)) break;
    size += sizeOf(write);
    if (taken.length === maxWrites || (taken.length > 0 && size > maxSize)) break;
    taken.push(write);
  }
  queue.splice(0, taken.length);
  return taken;
}

function isPut(write: Put | Forget): write is Put {
  return write.kind === 'put';
}

function sizeOf(write: Put | Forget): number {
  return write.kind === 'put' ? write.row.meta.length : 0;
}

function isForget(write: Put | Forget): write is Forget {
  return write.kind === 'forget';
}

/**
 * Celery never overwrites a SUCCESS. Umbel, in addition, never replaces the state of an ended task by an unended one. An expired record may
 * always be replaced. A notification holds 8000 bytes, which are 40 keys.
 */
function putSql(schema: string, channel: string): string {
  return `
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::float8[], $5::text[])
    WITH ORDINALITY AS t (task_id, status, rank, kept_ms, meta, n)
), written AS (
  INSERT INTO ${schema}.result AS r (task_id, status, rank, expires, meta)
  SELECT task_id, status, rank, clock_timestamp() + kept_ms * interval '1 millisecond', meta FROM given ORDER BY n
  ON CONFLICT (task_id) DO UPDATE SET
    status = excluded.status, rank = excluded.rank, expires = excluded.expires, meta = excluded.meta
  WHERE r.expires <= clock_timestamp() OR r.rank < 2 AND excluded.rank >= r.rank
  RETURNING task_id
), numbered AS (
  SELECT task_id, row_number() OVER () / 40 AS page FROM written
)
SELECT pg_notify('${channel}', string_agg(task_id, ' ')) FROM numbered GROUP BY page`;
}

/** Locks rows in the order of the writes. */
function forgetSql(schema: string): string {
  return `
WITH locked AS (
  SELECT task_id, expires FROM ${schema}.result WHERE task_id = ANY ($1::text[]) ORDER BY task_id FOR UPDATE
), deleted AS (
  DELETE FROM ${schema}.result WHERE task_id IN (SELECT task_id FROM locked)
)
SELECT task_id FROM locked WHERE expires IS NULL OR expires > now()`;
}
