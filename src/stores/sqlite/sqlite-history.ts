// The history of tasks in a separate SQLite file, so that its writers and those of messages do not wait for each other.
import {
  cursorText,
  type Dialect,
  facetColumn,
  pageSql,
  parseCursor,
  whereSql,
} from '../../history/compile.ts';
import type { MemberTest } from '../../history/condition.ts';
import { mergeFacts, type TaskFacts } from '../../history/facts.ts';
import type { FacetField } from '../../history/fields.ts';
import { type RecordedState, recordOf, type TaskRecord } from '../../history/record.ts';
import { type Sql, sql, sqlJoined, sqlName } from '../../history/sql.ts';
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
import { SqliteStore } from './sqlite.ts';

/** Each entry is the migration to the next version. Times are milliseconds since 1970. */
const historySchema: readonly string[] = [
  `
CREATE TABLE task (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  seen REAL NOT NULL, heard REAL NOT NULL,
  state TEXT NOT NULL, name TEXT, queue TEXT, worker TEXT, client TEXT,
  sent REAL, received REAL, started REAL, ended REAL, eta REAL, expires REAL,
  runtime REAL, wait REAL, retries REAL, priority REAL,
  root_id TEXT, parent_id TEXT, group_id TEXT, chord_id TEXT,
  args_repr TEXT, kwargs_repr TEXT,
  args TEXT, kwargs TEXT, stamps TEXT, -- JSON
  result TEXT, exception TEXT, traceback TEXT,
  marks TEXT NOT NULL                  -- JSON: the moments of which all but the texts above follows
);
CREATE INDEX task_seen ON task (seen);
CREATE INDEX task_state ON task (state, seen);
CREATE INDEX task_name ON task (name, seen);
CREATE INDEX task_queue ON task (queue, seen) WHERE queue IS NOT NULL;
CREATE INDEX task_worker ON task (worker, seen) WHERE worker IS NOT NULL;
CREATE INDEX task_ended ON task (ended);
CREATE INDEX task_root ON task (root_id) WHERE root_id IS NOT NULL;
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_group ON task (group_id) WHERE group_id IS NOT NULL;
CREATE TABLE recording (               -- times in which a recorder listened
  id TEXT PRIMARY KEY,
  began REAL NOT NULL,
  until REAL NOT NULL
) WITHOUT ROWID;`,
  'ALTER TABLE task RENAME COLUMN heard TO updated;',
  'CREATE TABLE identity (id TEXT NOT NULL); INSERT INTO identity VALUES (lower(hex(randomblob(8))));',
];

/** @throws StoreError, BrokerUnavailable */
export async function openSqliteHistory(path: string): Promise<HistoryStore> {
  const store = await SqliteStore.openWith({ history: historySchema }, path);
  const id = store.read((prepare) => prepare('SELECT id FROM identity').get()?.id);
  return new SqliteHistoryStore(store, String(id));
}

const readFacts = `SELECT ${factsColumns.join(', ')} FROM task WHERE id = ?`;
const writeRow = `INSERT INTO task (${historyColumns.join(', ')}) VALUES (${historyColumns.map(() => '?').join(', ')})
  ON CONFLICT (id) DO UPDATE SET ${historyColumns
    .filter((column) => column !== 'id')
    .map((column) => `${column} = excluded.${column}`)
    .join(', ')}`;

class SqliteHistoryStore implements HistoryStore {
  readonly name = 'sqlite';
  readonly id: string;
  readonly location: string;
  readonly #store: SqliteStore;

  constructor(store: SqliteStore, id: string) {
    this.#store = store;
    this.id = id;
    this.location = store.path;
  }

  async merge(tasks: readonly TaskFacts[], recording: Recording | null): Promise<void> {
    await this.#store.write(true, ({ sql: prepare }) => {
      for (const added of tasks) {
        const row = prepare(readFacts).get<FactsRow>(added.id);
        const known = row === undefined ? null : factsOf(row);
        const facts = known === null ? added : mergeFacts(known, added);
        prepare(writeRow).run(...rowOf(facts));
      }
      if (recording === null) return;
      const { id, from, until } = recording;
      prepare(
        'INSERT INTO recording VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET until = max(until, excluded.until)',
      ).run(id, from, until);
    });
  }

  async get(id: string): Promise<TaskRecord | null> {
    const row = this.#store.read((prepare) => prepare(readFacts).get<FactsRow>(id));
    return row === undefined ? null : recordOf(factsOf(row));
  }

  async list({ condition, now, sort, limit, after }: HistoryListing): Promise<HistoryPage> {
    const where = whereSql(condition, now, dialect);
    const cursor = after === null ? null : parseCursor(sort, after);
    const page = pageSql(where, sort, cursor, limit + 1);
    const columns = sqlName('task.seq').text + factsColumns.map((column) => `, ${column}`).join('');
    const rows = this.#all<FactsRow & { readonly seq: number; readonly sorted: string | number | null }>(
      sql`SELECT ${{ text: columns, values: [] }}, ${sqlName(sort.field)} AS sorted FROM task WHERE ${page.where} ORDER BY ${page.order} LIMIT ${page.limit}`,
    );
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      tasks: shown.map((row) => recordOf(factsOf(row))),
      next:
        rows.length > limit && last !== undefined
          ? cursorText(sort, { value: last.sorted, seq: last.seq })
          : null,
    };
  }

  async counts({ condition, now }: HistoryFilter): Promise<ReadonlyMap<RecordedState, number>> {
    const where = whereSql(condition, now, dialect);
    const rows = this.#all<{ readonly state: RecordedState; readonly tasks: number }>(
      sql`SELECT state, count(*) AS tasks FROM task WHERE ${where} GROUP BY state ORDER BY state`,
    );
    return new Map(rows.map(({ state, tasks }) => [state, tasks]));
  }

  async facet(
    field: FacetField,
    { condition, now }: HistoryFilter,
    limit: number,
  ): Promise<readonly (readonly [value: string | null, tasks: number])[]> {
    const column = facetColumn(field);
    const where = whereSql(condition, now, dialect);
    const rows = this.#all<{ readonly value: string | null; readonly tasks: number }>(
      sql`SELECT ${column} AS value, count(*) AS tasks FROM task WHERE ${where} GROUP BY ${column} ORDER BY tasks DESC, value LIMIT ${limit}`,
    );
    return rows.map(({ value, tasks }) => [value, tasks]);
  }

  async recordings(): Promise<readonly Recording[]> {
    return this.#all<{ readonly id: string; readonly from: number; readonly until: number }>(
      sql`SELECT id, began AS "from", until FROM recording ORDER BY began, id`,
    ).map(({ id, from, until }) => ({ id, from, until }));
  }

  async size(): Promise<HistorySize> {
    return this.#store.read((prepare) => ({
      tasks: Number(prepare('SELECT count(*) AS tasks FROM task').get()?.tasks ?? 0),
      bytes: Number(
        prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size').get()
          ?.bytes ?? 0,
      ),
      oldestAt:
        prepare('SELECT min(seen) AS oldest FROM task').get<{ oldest: number | null }>()?.oldest ?? null,
    }));
  }

  async prune({ updatedBefore, maxTasks }: Retention, limit: number): Promise<number> {
    const surplus = maxTasks === null ? 0 : (await this.size()).tasks - maxTasks;
    if (updatedBefore === null && surplus <= 0) return 0;
    const deleted = await this.#store.write(false, ({ sql: prepare }) => {
      let rows = 0;
      if (updatedBefore !== null) {
        // By the index on `seen`, the first rows are deleted or are old tasks with recent events, which are rare.
        const old = 'SELECT seq FROM task WHERE seen < ? AND updated < ? ORDER BY seen LIMIT ?';
        rows += Number(
          prepare(`DELETE FROM task WHERE seq IN (${old})`).run(updatedBefore, updatedBefore, limit).changes,
        );
        prepare('DELETE FROM recording WHERE until < ?').run(updatedBefore);
      }
      const more = Math.min(surplus, limit) - rows;
      if (more > 0) {
        const oldest = 'SELECT seq FROM task ORDER BY seen LIMIT ?';
        rows += Number(prepare(`DELETE FROM task WHERE seq IN (${oldest})`).run(more).changes);
      }
      return rows;
    });
    if (deleted === 0) await this.#store.shrink();
    return deleted;
  }

  async openJobs(): Promise<HistoryJobs> {
    const { openSqliteHistoryJobs } = await import('./sqlite-history-jobs.ts');
    return openSqliteHistoryJobs(this.#store);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #all<Row extends object>({ text, values }: Sql): Row[] {
    return this.#store.read((prepare) => prepare(text).all<Row>(...values));
  }
}

const dialect: Dialect = {
  like: (column, glob) => sql`${column} GLOB ${globPattern(glob)}`,
  holds: (column, text) => sql`${column} LIKE ${`%${text.replace(/[%_\\]/g, '\\$&')}%`} ESCAPE '\\'`,
  member,
  memberOfAny: (column, path, test) => {
    const any = sql`SELECT 1 FROM json_each(${column}) AS item WHERE CASE WHEN item.type IN ('object', 'array') THEN ${member(sqlName('item.value'), path, test)} END`;
    return sql`EXISTS (${any})`;
  },
  stamp: (column, name, value) => {
    const path = pathText([name]);
    if (value === null) return sql`json_type(${column}, ${path}) IS NOT NULL`;
    return sql`EXISTS (SELECT 1 FROM json_each(${column}, ${path}) AS item WHERE item.atom = ${value} OR CAST(item.atom AS TEXT) = ${value})`;
  },
};

function member(column: Sql, path: readonly string[], test: MemberTest): Sql {
  const at = pathText(path);
  switch (test.kind) {
    case 'known':
      return sql`json_type(${column}, ${at}) IS NOT NULL`;
    case 'json':
      return sql`${column} -> ${at} IN (${sqlJoined(
        test.oneOf.map((json) => sql`${json}`),
        ', ',
      )})`;
    case 'like':
      return sql`(json_type(${column}, ${at}) = 'text' AND ${column} ->> ${at} GLOB ${globPattern(test.glob)})`;
    case 'number': {
      const compared = { '<': sql`<`, '<=': sql`<=`, '>': sql`>`, '>=': sql`>=`, '=': sql`=` }[test.op];
      return sql`(json_type(${column}, ${at}) IN ('integer', 'real') AND ${column} ->> ${at} ${compared} ${test.value})`;
    }
  }
}

/** A path in SQLite's form. The parser of queries refuses names with quotation marks. */
function pathText(path: readonly string[]): string {
  return `$${path.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `."${part}"`)).join('')}`;
}

/** A pattern for GLOB in which only `*` is special. */
function globPattern(glob: string): string {
  return glob.replace(/[[?]/g, '[$&]');
}
