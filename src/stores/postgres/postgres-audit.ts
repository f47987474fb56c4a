import {
  type AuditEntry,
  type AuditRecord,
  type AuditStore,
  auditEntry,
  maxAudited,
} from '../audit-store.ts';
import type { RunQuery } from './writes.ts';

/** The audit log of the applications that keep their results in one schema. */
export class PostgresAudit implements AuditStore {
  readonly #ask: (sql: string, values: Parameters<RunQuery>[1]) => ReturnType<RunQuery>;
  readonly #table: string;

  constructor(ask: RunQuery, schema: string, answerMs: number) {
    this.#ask = (sql, values) => ask(sql, values, performance.now() + answerMs);
    this.#table = `${schema}.audit`;
  }

  async add({ at, user, role, action, target, reason, address }: AuditRecord): Promise<void> {
    const insert = `WITH added AS (
        INSERT INTO ${this.#table} (at, "user", role, action, target, reason, address) VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id
      ) DELETE FROM ${this.#table} WHERE id <= (SELECT id FROM added) - $8`;
    // PostgreSQL's text has no NUL.
    const texts = [user, role, action, target, reason, address].map((text) => text.replaceAll('\0', ''));
    await this.#ask(insert, [at, ...texts, maxAudited]);
  }

  async list({ limit, before }: Parameters<AuditStore['list']>[0]): Promise<readonly AuditEntry[]> {
    const rows = await this.#ask(
      `SELECT *, extract(epoch FROM at) * 1000 AS ms FROM ${this.#table} WHERE id < $1 ORDER BY id DESC LIMIT $2`,
      [before ?? Number.MAX_SAFE_INTEGER, limit],
    );
    return rows.map((row) => auditEntry(Number(row.id), Math.round(Number(row.ms)), row));
  }
}
