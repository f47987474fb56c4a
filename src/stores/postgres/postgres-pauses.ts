import { byName, type Pause, type PauseStore } from '../pauses.ts';
import type { RunQuery } from './writes.ts';

/** The pauses of the applications that keep their results in one schema. */
export class PostgresPauses implements PauseStore {
  readonly #ask: (sql: string, values: Parameters<RunQuery>[1]) => ReturnType<RunQuery>;
  readonly #table: string;

  constructor(ask: RunQuery, schema: string, answerMs: number) {
    this.#ask = (sql, values) => ask(sql, values, performance.now() + answerMs);
    this.#table = `${schema}.pause`;
  }

  async put({ kind, name, since, by, reason }: Pause): Promise<void> {
    const upsert = `INSERT INTO ${this.#table} (kind, name, since, by, reason) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (kind, name) DO UPDATE SET by = excluded.by, reason = excluded.reason`;
    await this.#ask(upsert, [kind, name, since, by, reason]);
  }

  async remove(kind: Pause['kind'], name: string): Promise<void> {
    await this.#ask(`DELETE FROM ${this.#table} WHERE kind = $1 AND name = $2`, [kind, name]);
  }

  async read(): Promise<readonly Pause[]> {
    const rows = await this.#ask(
      `SELECT kind, name, extract(epoch FROM since) * 1000 AS ms, by, reason FROM ${this.#table}`,
      [],
    );
    return rows
      .map(({ kind, name, ms, by, reason }) => ({
        kind: kind === 'queue' ? ('queue' as const) : ('task' as const),
        name: String(name),
        since: new Date(Number(ms)),
        by: String(by),
        reason: String(reason),
      }))
      .sort(byName);
  }
}
