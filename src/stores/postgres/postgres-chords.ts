// Chords in PostgreSQL.
import { StoreError } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import { ascii } from '../../lib/json-writer.ts';
import {
  type ChordPart,
  type ChordPlace,
  decodePart,
  encodePart,
  successPrefix,
} from '../../protocol/chord-part.ts';
import { type ChordCount, type ChordState, type Chords, completedKeptMs } from '../chords.ts';
import type { StoreWrite } from '../store-write.ts';
import { keyOf } from './record-row.ts';
import type { RunQuery } from './writes.ts';

interface Add {
  readonly group: string;
  readonly task: string;
  readonly index: number | null;
  readonly text: string;
  readonly body: string | null;
  /** 1: it completes the chord; -1: it completes nothing. */
  readonly last: number;
  resolve(state: ChordState): void;
  reject(error: unknown): void;
}

interface PostgresChordContext {
  readonly schema: string;
  readonly answerMs: number;
  /** How long an open chord is kept after its last part, milliseconds; null: for ever. */
  readonly keptMs: number | null;
  /** A write that no other store can make. */
  readonly alone: StoreWrite;
}

const maxParts = 500;
const maxSize = 4_000_000;

export class PostgresChords implements Chords {
  readonly #ask: RunQuery;
  readonly #around: PostgresChordContext;
  readonly #batcher: MicroBatcher<Add> = new MicroBatcher((adds) => {
    for (const chunk of chunksOf(adds, maxParts, maxSize, ({ text }) => text.length)) void this.#send(chunk);
  });

  constructor(ask: RunQuery, around: PostgresChordContext) {
    this.#ask = ask;
    this.#around = around;
  }

  async resize(groupId: string, size: number, manifest?: string): Promise<void> {
    const { schema, keptMs } = this.#around;
    const sql = `INSERT INTO ${schema}.chord AS c (group_id, size, expires, manifest) VALUES ($1, $2, ${after('$3')}, $4)
      ON CONFLICT (group_id) DO UPDATE SET size = excluded.size, expires = excluded.expires,
        manifest = coalesce(excluded.manifest, c.manifest) WHERE NOT c.done`;
    const text = manifest === undefined ? null : ascii(manifest);
    await this.#ask(sql, [keyOf(groupId), size, keptMs, text], this.#untilMs());
  }

  async extend(groupId: string, taskId: string): Promise<void> {
    const { schema, keptMs } = this.#around;
    const sql = `SELECT ${schema}.extend_chord($1, $2, $3)`;
    await this.#ask(sql, [keyOf(groupId), keyOf(taskId), keptMs], this.#untilMs());
  }

  add(part: ChordPart, { groupId, index, bodyId, last, held }: ChordPlace): Promise<ChordState> {
    return new Promise((resolve, reject) => {
      const text = ascii(encodePart(part));
      const body = bodyId === null ? null : keyOf(bodyId);
      const ids = { group: keyOf(groupId), task: keyOf(part.taskId) };
      this.#batcher.add({ ...ids, index, text, body, last: held ? -1 : last ? 1 : 0, resolve, reject });
    });
  }

  async parts(groupId: string): Promise<readonly ChordPart[]> {
    const sql = `SELECT part FROM ${this.#around.schema}.chord_part
      WHERE group_id = $1 AND part IS NOT NULL ORDER BY place NULLS LAST, n`;
    const rows = await this.#ask(sql, [keyOf(groupId)], this.#untilMs());
    return rows.map((row) => {
      const part = decodePart(String(row.part));
      if (!part.ok) throw new StoreError(`a part of chord ${groupId} is damaged: ${part.refusal.detail}`);
      return part.value;
    });
  }

  async look(groupId: string): Promise<ChordCount | null> {
    const { schema } = this.#around;
    const sql = `SELECT size, extra, count, closer, done, manifest, ARRAY(
        SELECT task_id FROM ${schema}.chord_part p WHERE p.group_id = c.group_id AND part IS NULL ORDER BY n
      ) AS added FROM ${schema}.chord c WHERE group_id = $1`;
    const [row] = await this.#ask(sql, [keyOf(groupId)], this.#untilMs());
    if (row === undefined) return null;
    const textOf = (value: unknown): string | null => (value === null ? null : String(value));
    return {
      size: row.size === null ? null : Number(row.size),
      extra: Number(row.extra),
      count: Number(row.count),
      closer: textOf(row.closer),
      done: row.done === true,
      manifest: textOf(row.manifest),
      added: Array.isArray(row.added) ? row.added.map(String) : [],
    };
  }

  async withdraw(groupId: string, taskId: string): Promise<boolean> {
    const { schema } = this.#around;
    const sql = `
      WITH locked AS (
        SELECT group_id FROM ${schema}.chord WHERE group_id = $1 AND NOT done AND closer IS NULL FOR UPDATE
      ), gone AS (
        DELETE FROM ${schema}.chord_part WHERE group_id IN (SELECT group_id FROM locked) AND task_id = $2
          AND NOT starts_with(part, $3) RETURNING 1
      ) UPDATE ${schema}.chord SET count = count - 1 WHERE group_id = $1 AND EXISTS (SELECT 1 FROM gone) RETURNING 1`;
    const prefix = ascii(successPrefix(taskId));
    return (await this.#ask(sql, [keyOf(groupId), keyOf(taskId), prefix], this.#untilMs())).length > 0;
  }

  async close(groupId: string, taskId: string): Promise<boolean> {
    const { schema } = this.#around;
    const sql = `UPDATE ${schema}.chord SET closer = $2
      WHERE group_id = $1 AND NOT done AND coalesce(closer, $2) = $2 RETURNING 1`;
    return (await this.#ask(sql, [keyOf(groupId), keyOf(taskId)], this.#untilMs())).length > 0;
  }

  writeOfDone(): StoreWrite {
    return this.#around.alone;
  }

  async done(groupId: string): Promise<void> {
    const { schema } = this.#around;
    const sql = `
      WITH ended AS (
        UPDATE ${schema}.chord SET done = true, closer = NULL, manifest = NULL, expires = ${after('$2')} WHERE group_id = $1
      ) DELETE FROM ${schema}.chord_part WHERE group_id = $1`;
    await this.#ask(sql, [keyOf(groupId), completedKeptMs], this.#untilMs());
  }

  /** Deletes expired chords; returns their number. */
  async expire(now: Date | null, limit: number): Promise<number> {
    const { schema } = this.#around;
    const sql = `
      WITH deleted AS (
        DELETE FROM ${schema}.chord WHERE group_id IN (
          SELECT group_id FROM ${schema}.chord WHERE expires <= coalesce($1, now())
          ORDER BY expires LIMIT ${limit} FOR UPDATE SKIP LOCKED
        ) RETURNING 1
      ) SELECT count(*) AS count FROM deleted`;
    const [row] = await this.#ask(sql, [now], this.#untilMs());
    return Number(row?.count ?? 0);
  }

  async #send(chunk: readonly Add[]): Promise<void> {
    const { schema, keptMs } = this.#around;
    // All processes lock chords in the same order, so that there is no deadlock.
    const sql = `
      SELECT n, ${schema}.add_chord_part(group_id, task_id, place, part, body, is_last, $7) AS state FROM (
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::int[])
          WITH ORDINALITY AS t (group_id, task_id, place, part, body, is_last, n) ORDER BY group_id, n
      ) AS given`;
    const values = [
      chunk.map(({ group }) => group),
      chunk.map(({ task }) => task),
      chunk.map(({ index }) => index),
      chunk.map(({ text }) => text),
      chunk.map(({ body }) => body),
      chunk.map(({ last }) => last),
      keptMs,
    ];
    try {
      const rows = await this.#ask(sql, values, this.#untilMs());
      const states = new Map(rows.map((row) => [Number(row.n), String(row.state)]));
      for (const [index, add] of chunk.entries()) {
        const state = states.get(index + 1);
        if (state === 'open' || state === 'complete' || state === 'done') add.resolve(state);
        else add.reject(new StoreError(`a part of chord ${add.group} got no answer`));
      }
    } catch (error) {
      // One part may have made the statement fail: each is repeated alone, so that only the faulty one fails.
      if (error instanceof StoreError && chunk.length > 1) for (const add of chunk) await this.#send([add]);
      else for (const add of chunk) add.reject(error);
    }
  }

  #untilMs(): number {
    return performance.now() + this.#around.answerMs;
  }
}

/** SQL for a time `ms` milliseconds from now; null: never. */
function after(ms: string): string {
  return `clock_timestamp() + ${ms}::float8 * interval '1 millisecond'`;
}
