import { randomUUID } from 'node:crypto';
import type { RecordedState } from '../../history/record.ts';
import type { HistoryJobs, JobItem, JobItemState, JobRow, JobState } from '../history-jobs.ts';
import type { Ask, PostgresPool, PostgresValue } from './client/pool.ts';

const itemColumns = 'original, new_id, state, problem';

/** Jobs in the schema of a history, whose owner closes the connections. */
export class PostgresHistoryJobs implements HistoryJobs {
  readonly #pool: PostgresPool;
  readonly #answerMs: number;
  readonly #job: string;
  readonly #item: string;
  readonly #task: string;

  constructor(pool: PostgresPool, answerMs: number) {
    const { schema } = pool.settings;
    this.#pool = pool;
    this.#answerMs = answerMs;
    this.#job = `${schema}.history_job`;
    this.#item = `${schema}.history_job_item`;
    this.#task = `${schema}.history_task`;
  }

  async create(job: JobRow, forgetBefore: number): Promise<void> {
    const { id, state, pauseReason, settings, createdAt, runner, aliveAt } = job;
    await this.#ask(
      `DELETE FROM ${this.#job} WHERE created < $1 AND alive < $1 AND state IN ('planning', 'ready', 'done', 'aborted')`,
      [forgetBefore],
    );
    await this.#ask(`INSERT INTO ${this.#job} VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`, [
      ...[id, state, pauseReason, settings, createdAt, runner, aliveAt],
    ]);
  }

  async add(id: string, items: readonly JobItem[]): Promise<void> {
    await this.#ask(
      `INSERT INTO ${this.#item} (job, ${itemColumns})
        SELECT $1, original, new_id, state, problem
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS t (${itemColumns}, n) ORDER BY n
        ON CONFLICT DO NOTHING`,
      [
        id,
        items.map(({ original }) => original),
        items.map(({ newId }) => newId),
        items.map(({ state }) => state),
        items.map(({ problem }) => problem),
      ],
    );
  }

  async get(id: string): Promise<JobRow | null> {
    const [row] = await this.#ask(`SELECT * FROM ${this.#job} WHERE id = $1`, [id]);
    return row === undefined ? null : jobOf(row);
  }

  async list(limit: number): Promise<readonly JobRow[]> {
    const rows = await this.#ask(`SELECT * FROM ${this.#job} ORDER BY created DESC, id DESC LIMIT $1`, [
      limit,
    ]);
    return rows.map(jobOf);
  }

  change(
    id: string,
    change: Parameters<HistoryJobs['change']>[1],
    { from, allowed }: Parameters<HistoryJobs['change']>[2],
  ): Promise<boolean> {
    const token = randomUUID();
    return this.#transaction(async (ask) => {
      const [row] = await ask(`SELECT * FROM ${this.#job} WHERE id = $1 FOR UPDATE`, [id]);
      if (row === undefined) return false;
      if (row.change === token) return true; // it was made, and the answer was lost
      const job = jobOf(row);
      if (!from.includes(job.state) || allowed?.(job.runner, job.aliveAt) === false) return false;
      const { state, pauseReason, settings, runner, aliveAt } = { ...job, ...change };
      await ask(
        `UPDATE ${this.#job} SET state = $2, pause_reason = $3, settings = $4, runner = $5, alive = $6, change = $7 WHERE id = $1`,
        [id, state, pauseReason, settings, runner, aliveAt, token],
      );
      return true;
    });
  }

  claim(id: string, runner: string, limit: number): Promise<readonly JobItem[] | null> {
    const token = randomUUID();
    return this.#transaction(async (ask) => {
      const [row] = await ask(`SELECT state, runner FROM ${this.#job} WHERE id = $1 FOR UPDATE`, [id]);
      if (row?.state !== 'running' || row.runner !== runner) return null;
      const claimed = `SELECT ${itemColumns} FROM ${this.#item} WHERE job = $1 AND state = 'sending' AND claim = $2 ORDER BY n`;
      const before = await ask(claimed, [id, token]);
      if (before.length > 0) return before.map(openItem); // it was done, and the answer was lost
      await ask(
        `UPDATE ${this.#item} SET state = 'sending', problem = '', claim = $2 WHERE job = $1 AND original IN (
          SELECT original FROM ${this.#item} WHERE job = $1 AND state = 'open' ORDER BY n LIMIT $3)`,
        [id, token, limit],
      );
      return (await ask(claimed, [id, token])).map(openItem);
    });
  }

  async items(id: string, state: JobItemState, limit: number): Promise<readonly JobItem[]> {
    const rows = await this.#ask(
      `SELECT ${itemColumns} FROM ${this.#item} WHERE job = $1 AND state = $2 ORDER BY n LIMIT $3`,
      [id, state, limit],
    );
    return rows.map(itemOf);
  }

  async mark(id: string, items: Parameters<HistoryJobs['mark']>[1]): Promise<void> {
    await this.#ask(
      `UPDATE ${this.#item} AS item SET state = t.state, problem = t.problem
        FROM unnest($2::text[], $3::text[], $4::text[]) AS t (original, state, problem)
        WHERE item.job = $1 AND item.original = t.original`,
      [
        id,
        items.map(({ original }) => original),
        items.map(({ state }) => state),
        items.map(({ problem }) => problem),
      ],
    );
  }

  async counts(id: string): Promise<Readonly<Record<JobItemState, number>>> {
    const select = `SELECT state, count(*) AS items FROM ${this.#item} WHERE job = $1 GROUP BY state`;
    const found = new Map(
      (await this.#ask(select, [id])).map(({ state, items }) => [String(state), Number(items)]),
    );
    const of = (state: JobItemState): number => found.get(state) ?? 0;
    return { open: of('open'), sending: of('sending'), sent: of('sent'), refused: of('refused') };
  }

  async problems(id: string, limit: number): Promise<readonly (readonly [string, number])[]> {
    const rows = await this.#ask(
      `SELECT problem, count(*) AS items FROM ${this.#item} WHERE job = $1 AND state = 'refused'
        GROUP BY problem ORDER BY items DESC, problem LIMIT $2`,
      [id, limit],
    );
    return rows.map(({ problem, items }) => [String(problem), Number(items)] as const);
  }

  async outcomes(id: string): Promise<ReadonlyMap<RecordedState, number>> {
    const rows = await this.#ask(
      `SELECT task.state AS state, count(*) AS tasks FROM ${this.#item} AS item JOIN ${this.#task} AS task ON task.id = item.new_id
        WHERE item.job = $1 AND item.state IN ('sending', 'sent') GROUP BY task.state`,
      [id],
    );
    return new Map(rows.map(({ state, tasks }) => [state as RecordedState, Number(tasks)])); // as the history wrote it
  }

  async delete(id: string): Promise<void> {
    await this.#ask(`DELETE FROM ${this.#job} WHERE id = $1`, [id]);
  }

  #ask(text: string, values: readonly PostgresValue[]): ReturnType<Ask> {
    return this.#pool.query(text, values, performance.now() + this.#answerMs);
  }

  #transaction<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    return this.#pool.transaction(performance.now() + this.#answerMs, work);
  }
}

type Row = Readonly<Record<string, unknown>>;

// The tables hold what `create` and `add` wrote.
function jobOf({ id, state, pause_reason, settings, created, runner, alive }: Row): JobRow {
  return {
    id: String(id),
    state: state as JobState,
    pauseReason: String(pause_reason),
    settings: String(settings),
    createdAt: Number(created),
    runner: runner === null ? null : String(runner),
    aliveAt: Number(alive),
  };
}

function itemOf({ original, new_id, state, problem }: Row): JobItem {
  return {
    original: String(original),
    newId: String(new_id),
    state: state as JobItemState,
    problem: String(problem),
  };
}

/** As it was before it was claimed. */
function openItem(row: Row): JobItem {
  return { ...itemOf(row), state: 'open' };
}
