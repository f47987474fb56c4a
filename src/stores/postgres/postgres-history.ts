// The history of tasks in PostgreSQL, for recorders and readers on several machines.
import { StoreError } from '../../errors.ts';
import { cursorText, facetColumn, pageSql, parseCursor, whereSql } from '../../history/compile.ts';
import { mergeFacts, type TaskFacts } from '../../history/facts.ts';
import type { FacetField } from '../../history/fields.ts';
import { type RecordedState, recordOf, type TaskRecord } from '../../history/record.ts';
import { type Sql, sql, sqlName } from '../../history/sql.ts';
import { chunksOf } from '../../lib/batch.ts';
import type { HistoryJobs } from '../history-jobs.ts';
import { type FactsRow, factsColumns, factsOf, historyColumns, rowOf } from '../history-row.ts';
import type {
  HistoryFilter,
  HistoryListing,
  HistoryPage,
  HistorySize,
  HistoryStore,
  Recording,
  Retention,
} from '../history-store.ts';
import { classifyPostgresError, sqlStateOf } from './client/errors.ts';
import { migrate } from './client/migrate.ts';
import { type Ask, PostgresPool, type PostgresValue } from './client/pool.ts';
import { postgresSettings } from './client/settings.ts';
import { postgresDialect } from './history-dialect.ts';
import { historySchema } from './schema.ts';

/**
 * Opens the history on a PostgreSQL server, and creates its tables if needed.
 * @throws ConfigError when the URL or an option is invalid; StoreError when the server refuses this user or database, when the tables are those of
 * a newer Umbel, or when the database is not in UTF-8; BrokerUnavailable when the server does not answer within `answerMs` (ten seconds)
 */
export async function openPostgresHistory(
  url: string,
  driver: Readonly<Record<string, unknown>> = {},
  answerMs = defaultAnswerMs,
): Promise<HistoryStore> {
  const pool = await PostgresPool.open(postgresSettings(url, 'historyStore', driver));
  try {
    const untilMs = performance.now() + answerMs;
    await requireUtf8(pool, untilMs);
    await migrate(pool, 'history', historySchema, untilMs);
    const [row] = await pool.query(`SELECT id FROM ${pool.settings.schema}.history_identity`, [], untilMs);
    return new PostgresHistoryStore(pool, String(row?.id), answerMs);
  } catch (error) {
    await pool.close();
    throw isRefusal(error) ? new StoreError(error.message, { cause: error.cause }) : error;
  }
}

/** Somebody has to change the server, the rights or the URL: a recorder does not wait for it. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && classifyPostgresError(sqlStateOf(error.cause)).kind === 'refused';
}

async function requireUtf8(pool: PostgresPool, untilMs: number): Promise<void> {
  const [row] = await pool.query('SHOW server_encoding', [], untilMs);
  if (row?.server_encoding === 'UTF8') return;
  throw new StoreError(
    `${pool.settings.shown} has the encoding ${String(row?.server_encoding)}, which cannot hold every text of a task; create a database in UTF-8 (createdb --encoding=UTF8 --template=template0)`,
  );
}

/** How long the server has to answer, milliseconds; `searchMs`: to a query that may search the text of all tasks. */
const defaultAnswerMs = 10_000;
const searchMs = 60_000;
/** How many tasks one transaction merges. */
const maxMerged = 500;

class PostgresHistoryStore implements HistoryStore {
  readonly name = 'postgresql';
  readonly id: string;
  readonly location: string;
  readonly #pool: PostgresPool;
  readonly #answerMs: number;
  readonly #task: string;
  readonly #from: Sql;
  readonly #recording: string;
  readonly #readFacts: string;
  readonly #writeRows: string;
  /** The newest of the surplus tasks that are being deleted; null: none are. */
  #surplus: { readonly seen: number; readonly seq: string } | null = null;

  constructor(pool: PostgresPool, id: string, answerMs: number) {
    const { schema, shown } = pool.settings;
    this.#pool = pool;
    this.#answerMs = answerMs;
    this.id = id;
    this.location = shown;
    this.#task = `${schema}.history_task`;
    this.#from = { text: this.#task, values: [] };
    this.#recording = `${schema}.history_recording`;
    this.#readFacts = `SELECT ${factsColumns.join(', ')} FROM ${this.#task} WHERE id = ANY ($1::text[])`;
    this.#writeRows = writeRows(this.#task);
  }

  async merge(tasks: readonly TaskFacts[], recording: Recording | null): Promise<void> {
    const added = new Map<string, TaskFacts>();
    for (const facts of tasks) {
      const before = added.get(facts.id);
      added.set(facts.id, before === undefined ? facts : mergeFacts(before, facts));
    }
    for (const chunk of chunksOf([...added.values()], maxMerged, 1, () => 0)) await this.#merge(chunk);
    if (recording === null) return;
    const { id, from, until } = recording;
    await this.#query(
      `INSERT INTO ${this.#recording} AS r VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET until = greatest(r.until, excluded.until)`,
      [id, from, until],
    );
  }

  /** One recorder at a time, since it reads what it replaces. */
  async #merge(added: readonly TaskFacts[]): Promise<void> {
    await this.#pool.transaction(performance.now() + this.#answerMs, async (ask) => {
      // The server ends the transaction of a recorder that was stopped in the middle of it.
      await ask(
        "SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true)",
        [String(this.#answerMs)],
      );
      await ask('SELECT pg_advisory_xact_lock(hashtext($1))', [`umbel ${this.#task}`]);
      const known = await ask(this.#readFacts, [added.map(({ id }) => id)]);
      const facts = new Map(known.map((row) => [String(row.id), factsOf(factsRow(row))]));
      const rows = added.map((each) => {
        const before = facts.get(each.id);
        return rowOf(before === undefined ? each : mergeFacts(before, each)).map(storable);
      });
      await ask(
        this.#writeRows,
        historyColumns.map((_, column) => rows.map((row) => row[column] ?? null)),
      );
    });
  }

  async get(id: string): Promise<TaskRecord | null> {
    const [row] = await this.#query(this.#readFacts, [[String(storable(id))]]);
    return row === undefined ? null : recordOf(factsOf(factsRow(row)));
  }

  async list({ condition, now, sort, limit, after }: HistoryListing): Promise<HistoryPage> {
    const where = whereSql(condition, now, postgresDialect);
    const cursor = after === null ? null : parseCursor(sort, after);
    const page = pageSql(where, sort, cursor, limit + 1);
    const columns = { text: `seq, ${factsColumns.join(', ')}`, values: [] };
    const rows = await this.#search(
      sql`SELECT ${columns}, ${sqlName(sort.field)} AS sorted FROM ${this.#from} WHERE ${page.where} ORDER BY ${page.order} LIMIT ${page.limit}`,
    );
    const last = rows.length > limit ? rows[limit - 1] : undefined;
    return {
      tasks: rows.slice(0, limit).map((row) => recordOf(factsOf(factsRow(row)))),
      next:
        last === undefined
          ? null
          : cursorText(sort, { value: last.sorted as string | number | null, seq: Number(last.seq) }), // a column of text or of numbers
    };
  }

  async counts({ condition, now }: HistoryFilter): Promise<ReadonlyMap<RecordedState, number>> {
    const where = whereSql(condition, now, postgresDialect);
    const rows = await this.#search(
      sql`SELECT state, count(*) AS tasks FROM ${this.#from} WHERE ${where} GROUP BY state ORDER BY state`,
    );
    return new Map(rows.map(({ state, tasks }) => [state as RecordedState, Number(tasks)])); // `rowOf` wrote it
  }

  async facet(
    field: FacetField,
    { condition, now }: HistoryFilter,
    limit: number,
  ): Promise<readonly (readonly [value: string | null, tasks: number])[]> {
    const column = facetColumn(field);
    const where = whereSql(condition, now, postgresDialect);
    const rows = await this.#search(
      sql`SELECT ${column} AS value, count(*) AS tasks FROM ${this.#from} WHERE ${where} GROUP BY ${column} ORDER BY tasks DESC, value NULLS FIRST LIMIT ${limit}`,
    );
    return rows.map(({ value, tasks }) => [value === null ? null : String(value), Number(tasks)]);
  }

  async recordings(): Promise<readonly Recording[]> {
    const rows = await this.#query(`SELECT id, began, until FROM ${this.#recording} ORDER BY began, id`, []);
    return rows.map(({ id, began, until }) => ({
      id: String(id),
      from: Number(began),
      until: Number(until),
    }));
  }

  async size(): Promise<HistorySize> {
    const [row] = await this.#search(
      sql`SELECT count(*) AS tasks, min(seen) AS oldest, pg_total_relation_size(${this.#task}) AS bytes FROM ${this.#from}`,
    );
    return {
      tasks: Number(row?.tasks ?? 0),
      bytes: Number(row?.bytes ?? 0),
      oldestAt: typeof row?.oldest === 'number' ? row.oldest : null,
    };
  }

  async prune({ updatedBefore, maxTasks }: Retention, limit: number): Promise<number> {
    let deleted = 0;
    if (updatedBefore !== null) {
      deleted += await this.#delete('seen < $2 AND updated < $2', limit, [updatedBefore]);
      await this.#query(`DELETE FROM ${this.#recording} WHERE until < $1`, [updatedBefore]);
    }
    if (maxTasks === null || deleted >= limit) return deleted;
    // Not a number of tasks: of two recorders, each would delete so many.
    this.#surplus ??= await this.#surplusOf(maxTasks);
    if (this.#surplus === null) return deleted;
    const { seen, seq } = this.#surplus;
    const more = await this.#delete('(seen, seq) <= ($2, $3::bigint)', limit - deleted, [seen, seq]);
    if (more < limit - deleted) this.#surplus = null;
    return deleted + more;
  }

  /** The newest task that is one too many. */
  async #surplusOf(maxTasks: number): Promise<{ seen: number; seq: string } | null> {
    const [row] = await this.#search(
      sql`SELECT seen, seq FROM ${this.#from} ORDER BY seen DESC, seq DESC OFFSET ${maxTasks} LIMIT 1`,
    );
    return row === undefined ? null : { seen: Number(row.seen), seq: String(row.seq) };
  }

  /** Deletes the oldest tasks that pass this test. It waits for no other transaction, so no recorder waits for two. */
  async #delete(test: string, limit: number, values: readonly PostgresValue[]): Promise<number> {
    const [row] = await this.#query(
      `WITH deleted AS (
        DELETE FROM ${this.#task} WHERE seq IN (
          SELECT seq FROM ${this.#task} WHERE ${test} ORDER BY seen, seq LIMIT $1 FOR UPDATE SKIP LOCKED
        ) RETURNING 1
      ) SELECT count(*) AS tasks FROM deleted`,
      [limit, ...values],
    );
    return Number(row?.tasks ?? 0);
  }

  async openJobs(): Promise<HistoryJobs> {
    const { PostgresHistoryJobs } = await import('./postgres-history-jobs.ts');
    return new PostgresHistoryJobs(this.#pool, this.#answerMs);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #query(text: string, values: readonly PostgresValue[]): ReturnType<Ask> {
    return this.#pool.query(text, values, performance.now() + this.#answerMs);
  }

  /** A query that may read many tasks: the server ends it when nobody waits for it any more. */
  async #search({ text, values }: Sql): ReturnType<Ask> {
    await this.#query('SELECT 1', []); // a server that is away is not waited for so long
    let count = 0;
    const numbered = text.replaceAll('?', () => `$${++count}`);
    return this.#pool.transaction(performance.now() + searchMs, async (ask) => {
      await ask("SELECT set_config('statement_timeout', $1, true), set_config('jit', 'off', true)", [
        String(searchMs),
      ]);
      return ask(numbered, values.map(storable));
    });
  }
}

/** A row of our own table, in which the columns of facts hold text. */
function factsRow(row: Readonly<Record<string, unknown>>): FactsRow {
  return row as FactsRow;
}

/** PostgreSQL's text has no NUL. */
function storable<Value extends string | number | null>(value: Value): Value | string {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;
}

const numberColumns: ReadonlySet<string> = new Set([
  ...['seen', 'updated', 'sent', 'received', 'started', 'ended', 'eta', 'expires'],
  ...['runtime', 'wait', 'retries', 'priority'],
]);

function writeRows(table: string): string {
  const arrays = historyColumns.map(
    (column, n) => `$${n + 1}::${numberColumns.has(column) ? 'float8' : 'text'}[]`,
  );
  const changed = historyColumns.filter((column) => column !== 'id');
  return `INSERT INTO ${table} (${historyColumns.join(', ')}) SELECT * FROM unnest(${arrays.join(', ')})
    ON CONFLICT (id) DO UPDATE SET ${changed.map((column) => `${column} = excluded.${column}`).join(', ')}`;
}
