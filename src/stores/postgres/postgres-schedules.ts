// Schedules in PostgreSQL.

import { toEntry, toRun, toState } from '../schedule-rows.ts';
import {
  afterRun,
  type Changes,
  type EntryState,
  historyLength,
  type LeadState,
  type RunRecord,
  type ScheduleStore,
  type StoredEntry,
} from '../schedule-store.ts';
import { migrate } from './client/migrate.ts';
import { type Ask, PostgresPool, type PostgresValue } from './client/pool.ts';
import { postgresSettings } from './client/settings.ts';

/** Each entry is the migration to the next version. */
const beatSchema: readonly string[] = [
  `
CREATE TABLE $schema.beat_lead (
  app text PRIMARY KEY,
  holder text NOT NULL,       -- '' = nobody
  fence bigint NOT NULL,      -- grows with each new leader
  beats bigint NOT NULL,      -- grows with each renewal
  revision bigint NOT NULL,   -- grows with each change of an entry
  floor bigint NOT NULL       -- the revision of the last deletion
);
CREATE TABLE $schema.beat_entry (
  app text NOT NULL,
  name text NOT NULL,
  text text NOT NULL,
  revision bigint NOT NULL,
  last_due bigint,
  last_run bigint,
  last_task text,
  sent bigint NOT NULL DEFAULT 0,
  anchor bigint,
  PRIMARY KEY (app, name)
);
CREATE INDEX beat_entry_revision ON $schema.beat_entry (app, revision);
CREATE TABLE $schema.beat_run (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app text NOT NULL,
  name text NOT NULL,
  due bigint NOT NULL,
  until bigint NOT NULL,
  at bigint NOT NULL,
  outcome text NOT NULL,
  task_id text,
  detail text
);
CREATE INDEX beat_run_name ON $schema.beat_run (app, name, seq);`,
];

const answerMs = 10_000;

/** @throws ConfigError, StoreError, BrokerUnavailable when the server does not answer within ten seconds */
export async function openPostgresScheduleStore(
  url: string,
  app: string,
  driver: Readonly<Record<string, unknown>> = {},
): Promise<ScheduleStore> {
  const pool = await PostgresPool.open(postgresSettings(url, 'beatStore', driver));
  try {
    await migrate(pool, 'beat', beatSchema, performance.now() + answerMs);
    const { schema } = pool.settings;
    const insert = `INSERT INTO ${schema}.beat_lead VALUES ($1, '', 0, 0, 0, 0) ON CONFLICT DO NOTHING`;
    await pool.query(insert, [app], performance.now() + answerMs);
  } catch (error) {
    await pool.close();
    throw error;
  }
  return new PostgresScheduleStore(pool, app);
}

type Row = Readonly<Record<string, unknown>>;

const clockMs = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

class PostgresScheduleStore implements ScheduleStore {
  readonly name = 'postgres';
  readonly store: object = {};
  readonly #pool: PostgresPool;
  readonly #app: string;
  readonly #schema: string;

  constructor(pool: PostgresPool, app: string) {
    this.#pool = pool;
    this.#app = app;
    this.#schema = pool.settings.schema;
  }

  async lead(
    holder: string,
    seen: Pick<LeadState, 'fence' | 'beats'> | null,
    timeoutMs: number = answerMs,
  ): Promise<LeadState> {
    const table = `${this.#schema}.beat_lead`;
    const until = performance.now() + timeoutMs;
    const [changed] = await this.#ask(
      `UPDATE ${table} SET
        holder = $2,
        fence = CASE WHEN holder = $2 THEN fence ELSE fence + 1 END,
        beats = CASE WHEN holder = $2 THEN beats + 1 ELSE 0 END
      WHERE app = $1 AND (holder = $2 OR holder = '' OR (fence = $3 AND beats = $4))
      RETURNING *, ${clockMs} AS now`,
      [this.#app, holder, seen?.fence ?? null, seen?.beats ?? null],
      timeoutMs,
    );
    // Not in the same statement, which sees the row as it was before the update that it had to wait for.
    const [row = {}] =
      changed === undefined
        ? await this.#ask(
            `SELECT *, ${clockMs} AS now FROM ${table} WHERE app = $1`,
            [this.#app],
            Math.max(1, until - performance.now()),
          )
        : [changed];
    return {
      holder: String(row.holder),
      fence: Number(row.fence),
      beats: Number(row.beats),
      revision: Number(row.revision),
      nowMs: Number(row.now),
    };
  }

  async resign(holder: string): Promise<void> {
    await this.#ask(`UPDATE ${this.#schema}.beat_lead SET holder = '' WHERE app = $1 AND holder = $2`, [
      this.#app,
      holder,
    ]);
  }

  async now(): Promise<number> {
    const [row] = await this.#ask(`SELECT ${clockMs} AS now`, []);
    return Number(row?.now);
  }

  changes(since: number | null): Promise<Changes> {
    return this.#transaction(async (ask) => {
      // Every change of an entry locks this row, so the entries that are read below belong to this revision.
      const [lead] = await ask(
        `SELECT revision, floor FROM ${this.#schema}.beat_lead WHERE app = $1 FOR SHARE`,
        [this.#app],
      );
      const complete = since === null || since < Number(lead?.floor ?? 0);
      const rows = await ask(`SELECT * FROM ${this.#schema}.beat_entry WHERE app = $1 AND revision > $2`, [
        this.#app,
        complete ? -1 : since,
      ]);
      return { revision: Number(lead?.revision ?? 0), entries: rows.map(toEntry), complete };
    });
  }

  async get(name: string): Promise<StoredEntry | undefined> {
    const [row] = await this.#ask(`SELECT * FROM ${this.#schema}.beat_entry WHERE app = $1 AND name = $2`, [
      this.#app,
      name,
    ]);
    return row && toEntry(row);
  }

  async put(name: string, text: string, expected: number | null): Promise<boolean> {
    const written = await this.#transaction(async (ask) => {
      const revision = await this.#nextRevision(ask);
      const [before] = await ask(
        `SELECT revision FROM ${this.#schema}.beat_entry WHERE app = $1 AND name = $2 FOR UPDATE`,
        [this.#app, name],
      );
      if ((before === undefined ? null : Number(before.revision)) !== expected) return false;
      await ask(
        `INSERT INTO ${this.#schema}.beat_entry (app, name, text, revision) VALUES ($1, $2, $3, $4)
         ON CONFLICT (app, name) DO UPDATE SET text = excluded.text, revision = excluded.revision, anchor = NULL`,
        [this.#app, name, text, revision],
      );
      return true;
    });
    // If the answer was lost and the write repeated, its own first attempt makes the second fail.
    return written || (await this.get(name))?.text === text;
  }

  remove(name: string): Promise<boolean> {
    return this.#transaction(async (ask) => {
      const revision = await this.#nextRevision(ask);
      const deleted = await ask(
        `DELETE FROM ${this.#schema}.beat_entry WHERE app = $1 AND name = $2 RETURNING 1`,
        [this.#app, name],
      );
      if (deleted.length === 0) return false;
      await ask(`DELETE FROM ${this.#schema}.beat_run WHERE app = $1 AND name = $2`, [this.#app, name]);
      await ask(`UPDATE ${this.#schema}.beat_lead SET floor = $2 WHERE app = $1`, [this.#app, revision]);
      return true;
    });
  }

  record(fence: number | null, runs: readonly RunRecord[]): Promise<'recorded' | 'fenced'> {
    return this.#transaction(async (ask) => {
      if (fence !== null) {
        const [lead] = await ask(`SELECT fence FROM ${this.#schema}.beat_lead WHERE app = $1 FOR SHARE`, [
          this.#app,
        ]);
        if (Number(lead?.fence) !== fence) return 'fenced';
      }
      const names = [...new Set(runs.map(({ name }) => name))].sort();
      const rows = await ask(
        `SELECT * FROM ${this.#schema}.beat_entry WHERE app = $1 AND name = ANY ($2::text[]) ORDER BY name FOR UPDATE`,
        [this.#app, names],
      );
      const states = new Map(rows.map((row) => [String(row.name), toState(row)]));
      const kept: RunRecord[] = [];
      for (const run of runs) {
        const before = states.get(run.name);
        const state = before && afterRun(before, run, fence === null);
        if (!state) continue;
        states.set(run.name, state);
        kept.push(run);
      }
      if (kept.length > 0) await this.#keep(ask, kept, states);
      return 'recorded';
    });
  }

  async history(name: string, limit: number): Promise<readonly RunRecord[]> {
    const rows = await this.#ask(
      `SELECT * FROM ${this.#schema}.beat_run WHERE app = $1 AND name = $2 ORDER BY seq DESC LIMIT $3`,
      [this.#app, name, limit],
    );
    return rows.map(toRun);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #keep(ask: Ask, runs: readonly RunRecord[], states: ReadonlyMap<string, EntryState>): Promise<void> {
    const changed = [...new Set(runs.map(({ name }) => name))];
    const column = (read: (state: EntryState) => string | number | null): (string | number | null)[] =>
      changed.map((name) => {
        const state = states.get(name);
        return state === undefined ? null : read(state);
      });
    await ask(
      `UPDATE ${this.#schema}.beat_entry e
       SET last_due = n.last_due, last_run = n.last_run, last_task = n.last_task, sent = n.sent, anchor = n.anchor
       FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])
         AS n (name, last_due, last_run, last_task, sent, anchor)
       WHERE e.app = $1 AND e.name = n.name`,
      [
        this.#app,
        changed,
        column(({ lastDueMs }) => lastDueMs),
        column(({ lastRunMs }) => lastRunMs),
        column(({ lastTaskId }) => lastTaskId),
        column(({ sent }) => sent),
        column(({ anchorMs }) => anchorMs),
      ],
    );
    await ask(
      `INSERT INTO ${this.#schema}.beat_run (app, name, due, until, at, outcome, task_id, detail)
       SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[])`,
      [
        this.#app,
        runs.map(({ name }) => name),
        runs.map(({ dueMs }) => dueMs),
        runs.map(({ untilMs }) => untilMs),
        runs.map(({ atMs }) => atMs),
        runs.map(({ outcome }) => outcome),
        runs.map(({ taskId }) => taskId),
        runs.map(({ detail }) => detail),
      ],
    );
    await ask(
      `DELETE FROM ${this.#schema}.beat_run r USING unnest($2::text[]) AS n (name)
       WHERE r.app = $1 AND r.name = n.name AND r.seq <= (
         SELECT seq FROM ${this.#schema}.beat_run WHERE app = $1 AND name = n.name
         ORDER BY seq DESC LIMIT 1 OFFSET ${historyLength})`,
      [this.#app, changed],
    );
  }

  async #nextRevision(ask: Ask): Promise<number> {
    const [row] = await ask(
      `UPDATE ${this.#schema}.beat_lead SET revision = revision + 1 WHERE app = $1 RETURNING revision`,
      [this.#app],
    );
    return Number(row?.revision);
  }

  #ask(sql: string, values: readonly PostgresValue[], timeoutMs: number = answerMs): Promise<readonly Row[]> {
    return this.#pool.query(sql, values, performance.now() + timeoutMs);
  }

  #transaction<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    return this.#pool.transaction(performance.now() + answerMs, work);
  }
}
