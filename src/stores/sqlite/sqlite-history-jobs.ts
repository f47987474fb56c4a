import type { RecordedState } from '../../history/record.ts';
import type { HistoryJobs, JobItem, JobItemState, JobRow, JobState } from '../history-jobs.ts';
import type { SqliteStore } from './sqlite.ts';

const jobSchema: readonly string[] = [
  `
CREATE TABLE job (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL, pause_reason TEXT NOT NULL,
  settings TEXT NOT NULL,              -- JSON
  created REAL NOT NULL,               -- milliseconds since 1970
  runner TEXT, alive REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE job_item (
  n INTEGER PRIMARY KEY,
  job TEXT NOT NULL, original TEXT NOT NULL, new_id TEXT NOT NULL,
  state TEXT NOT NULL, problem TEXT NOT NULL,
  UNIQUE (job, original)
);
CREATE INDEX job_item_state ON job_item (job, state, n);`,
];

/** Opens the jobs in the file of a history, whose owner closes it. */
export async function openSqliteHistoryJobs(store: SqliteStore): Promise<HistoryJobs> {
  await store.migrate('history-jobs', jobSchema);
  return new SqliteHistoryJobs(store);
}

interface Row {
  readonly id: string;
  readonly state: JobState;
  readonly pause_reason: string;
  readonly settings: string;
  readonly created: number;
  readonly runner: string | null;
  readonly alive: number;
}

const selectItems =
  'SELECT original, new_id AS newId, state, problem FROM job_item WHERE job = ? AND state = ? ORDER BY n LIMIT ?';
const updateItem = 'UPDATE job_item SET state = ?, problem = ? WHERE job = ? AND original = ?';

class SqliteHistoryJobs implements HistoryJobs {
  readonly #store: SqliteStore;

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  async create(job: JobRow, forgetBefore: number): Promise<void> {
    const { id, state, pauseReason, settings, createdAt, runner, aliveAt } = job;
    await this.#store.write(true, ({ sql }) => {
      const old =
        "SELECT id FROM job WHERE created < ? AND alive < ? AND state IN ('planning', 'ready', 'done', 'aborted')";
      sql(`DELETE FROM job_item WHERE job IN (${old})`).run(forgetBefore, forgetBefore);
      sql(`DELETE FROM job WHERE id IN (${old})`).run(forgetBefore, forgetBefore);
      sql('INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?)').run(
        ...[id, state, pauseReason, settings, createdAt, runner, aliveAt],
      );
    });
  }

  async add(id: string, items: readonly JobItem[]): Promise<void> {
    await this.#store.write(true, ({ sql }) => {
      const insert = sql(
        'INSERT OR IGNORE INTO job_item (job, original, new_id, state, problem) VALUES (?, ?, ?, ?, ?)',
      );
      for (const { original, newId, state, problem } of items)
        insert.run(id, original, newId, state, problem);
    });
  }

  async get(id: string): Promise<JobRow | null> {
    const row = this.#store.read((sql) => sql('SELECT * FROM job WHERE id = ?').get<Row>(id));
    return row === undefined ? null : jobOf(row);
  }

  async list(limit: number): Promise<readonly JobRow[]> {
    const rows = this.#store.read((sql) =>
      sql('SELECT * FROM job ORDER BY created DESC, id DESC LIMIT ?').all<Row>(limit),
    );
    return rows.map(jobOf);
  }

  async change(
    id: string,
    change: Parameters<HistoryJobs['change']>[1],
    { from, allowed }: Parameters<HistoryJobs['change']>[2],
  ): Promise<boolean> {
    return this.#store.write(true, ({ sql }) => {
      const row = sql('SELECT * FROM job WHERE id = ?').get<Row>(id);
      if (row === undefined || !from.includes(row.state)) return false;
      if (allowed?.(row.runner, row.alive) === false) return false;
      const { state, pauseReason, settings, runner, aliveAt } = { ...jobOf(row), ...change };
      sql('UPDATE job SET state = ?, pause_reason = ?, settings = ?, runner = ?, alive = ? WHERE id = ?').run(
        ...[state, pauseReason, settings, runner, aliveAt, id],
      );
      return true;
    });
  }

  async claim(id: string, runner: string, limit: number): Promise<readonly JobItem[] | null> {
    return this.#store.write(true, ({ sql }) => {
      const row = sql('SELECT * FROM job WHERE id = ?').get<Row>(id);
      if (row?.state !== 'running' || row.runner !== runner) return null;
      const items = sql(selectItems).all<JobItem>(id, 'open', limit);
      const update = sql(updateItem);
      for (const { original } of items) update.run('sending', '', id, original);
      return items;
    });
  }

  async items(id: string, state: JobItemState, limit: number): Promise<readonly JobItem[]> {
    return this.#store.read((sql) => sql(selectItems).all<JobItem>(id, state, limit));
  }

  async mark(id: string, items: Parameters<HistoryJobs['mark']>[1]): Promise<void> {
    await this.#store.write(true, ({ sql }) => {
      const update = sql(updateItem);
      for (const { original, state, problem } of items) update.run(state, problem, id, original);
    });
  }

  async counts(id: string): Promise<Readonly<Record<JobItemState, number>>> {
    const select = 'SELECT state, count(*) AS items FROM job_item WHERE job = ? GROUP BY state';
    const rows = this.#store.read((sql) => sql(select).all<{ state: JobItemState; items: number }>(id));
    const found = new Map(rows.map(({ state, items }) => [state, items]));
    const of = (state: JobItemState): number => found.get(state) ?? 0;
    return { open: of('open'), sending: of('sending'), sent: of('sent'), refused: of('refused') };
  }

  async problems(id: string, limit: number): Promise<readonly (readonly [string, number])[]> {
    const select = `SELECT problem, count(*) AS items FROM job_item WHERE job = ? AND state = 'refused'
      GROUP BY problem ORDER BY items DESC, problem LIMIT ?`;
    const rows = this.#store.read((sql) => sql(select).all<{ problem: string; items: number }>(id, limit));
    return rows.map(({ problem, items }) => [problem, items] as const);
  }

  async outcomes(id: string): Promise<ReadonlyMap<RecordedState, number>> {
    const select = `SELECT task.state AS state, count(*) AS tasks FROM job_item JOIN task ON task.id = job_item.new_id
      WHERE job = ? AND job_item.state IN ('sending', 'sent') GROUP BY task.state`;
    const rows = this.#store.read((sql) => sql(select).all<{ state: RecordedState; tasks: number }>(id));
    return new Map(rows.map(({ state, tasks }) => [state, tasks]));
  }

  async delete(id: string): Promise<void> {
    await this.#store.write(true, ({ sql }) => {
      sql('DELETE FROM job_item WHERE job = ?').run(id);
      sql('DELETE FROM job WHERE id = ?').run(id);
    });
  }
}

function jobOf({ id, state, pause_reason, settings, created, runner, alive }: Row): JobRow {
  return { id, state, pauseReason: pause_reason, settings, createdAt: created, runner, aliveAt: alive };
}
