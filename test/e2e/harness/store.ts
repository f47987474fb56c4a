// Looking into an embedded store (and putting bytes into it) through a connection of our own, past all of Umbel's code.
import type { Facts, RecordedResult } from './checkers.ts';

/** A message in the dead-letter store, as it lies there. */
export interface Buried {
  readonly reason: string;
  readonly detail: string;
  readonly raw: Uint8Array;
}

/** What we use of the library. */
interface Database {
  exec(sql: string): void;
  prepare(sql: string): {
    run(...values: (string | number | bigint | Uint8Array)[]): { lastInsertRowid: number | bigint };
    all(): unknown[];
  };
  close(): void;
}

/** Opens the file of a store. */
export async function lookInto(file: string): Promise<StoreFile> {
  const { DatabaseSync } = await import('@photostructure/sqlite');
  const database: Database = new DatabaseSync(file);
  database.exec('PRAGMA busy_timeout=10000');
  return new StoreFile(database);
}

export class StoreFile implements Disposable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What is left, for the checkers. */
  facts(): Facts {
    return {
      at: Date.now(),
      results: this.results(),
      dead: new Set(this.dead().map(({ raw }) => idOf(raw))),
      waiting: this.#waiting(),
    };
  }

  results(): Map<string, RecordedResult> {
    const rows = this.#all('SELECT task_id, meta FROM result');
    return new Map(rows.map(({ task_id, meta }) => [String(task_id), toResult(String(meta))]));
  }

  dead(): Buried[] {
    return this.#all('SELECT reason, detail, envelope FROM dead ORDER BY id').map((row) => ({
      reason: String(row.reason),
      detail: String(row.detail),
      raw: toBytes(row.envelope),
    }));
  }

  /** How many messages there are that wait, are scheduled or are claimed. */
  messages(): number {
    return Number(this.#all('SELECT count(*) AS n FROM message')[0]?.n);
  }

  /** Puts bytes into a queue as they are, as a stranger would. All in one transaction. */
  insert(queue: string, messages: readonly Uint8Array[]): void {
    const message = this.#database.prepare(
      'INSERT INTO message (queue, priority, envelope) VALUES (?, 0, ?)',
    );
    const ready = this.#database.prepare('INSERT INTO ready (queue, priority, seq) VALUES (?, 0, ?)');
    this.#database.exec('BEGIN IMMEDIATE');
    for (const raw of messages) ready.run(queue, message.run(queue, raw).lastInsertRowid);
    this.#database.exec('COMMIT');
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #waiting(): Set<string> {
    return new Set(this.#all('SELECT envelope FROM message').map(({ envelope }) => idOf(toBytes(envelope))));
  }

  #all(sql: string): Record<string, unknown>[] {
    return this.#database.prepare(sql).all() as Record<string, unknown>[]; // rows are maps of columns
  }
}

function toBytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(String(value));
}

/** The id in kombu's envelope, or what can be shown of bytes that have none. */
export function idOf(raw: Uint8Array): string {
  const text = Buffer.from(raw).toString();
  return /"id": ?"([^"]*)"/.exec(text)?.[1] ?? `no id: ${text.slice(0, 40)}`;
}

/** A record as Celery's JSON says it. */
export function toResult(meta: string): RecordedResult {
  const record: { status: string; result: unknown; date_done?: string | null } = JSON.parse(meta);
  const done = record.date_done == null ? null : Date.parse(record.date_done.replace(/(\.\d{3})\d*/, '$1'));
  return { status: record.status, run: record.result, doneAt: done };
}
