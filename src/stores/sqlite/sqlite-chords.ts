// Chords in the embedded store.

import { StoreError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import {
  type ChordPart,
  type ChordPlace,
  decodePart,
  encodePart,
  successPrefix,
} from '../../protocol/chord-part.ts';
import { type ChordCount, type ChordState, type Chords, completedKeptMs } from '../chords.ts';
import type { StoreWrite } from '../store-write.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';

export const chordSchema: readonly string[] = [
  `
CREATE TABLE chord (
  group_id TEXT PRIMARY KEY,
  size INTEGER,                     -- null: not known yet
  extra INTEGER NOT NULL DEFAULT 0, -- members that members have added
  count INTEGER NOT NULL DEFAULT 0, -- parts that are there
  closer TEXT,                      -- the member that made it complete, and sends the body
  done INTEGER NOT NULL DEFAULT 0,  -- 1: the body was sent; all that is left is this note
  expires INTEGER NOT NULL          -- milliseconds since 1970
) WITHOUT ROWID;
CREATE INDEX chord_expires ON chord (expires);
CREATE TABLE chord_part (           -- part null: added by a member, has not ended
  group_id TEXT NOT NULL, task_id TEXT NOT NULL, place INTEGER, part TEXT,
  UNIQUE (group_id, task_id)
);
CREATE TRIGGER chord_done AFTER UPDATE OF done ON chord BEGIN
  DELETE FROM chord_part WHERE group_id = NEW.group_id;
END;
CREATE TRIGGER chord_gone AFTER DELETE ON chord BEGIN
  DELETE FROM chord_part WHERE group_id = OLD.group_id;
END;`,
  'ALTER TABLE chord ADD COLUMN manifest TEXT', // its body and the ids of its members, as JSON
];

/** The expiry rule of records, for chords. */
export interface KnownRecords {
  /** When an open chord expires, milliseconds since 1970. */
  expiryOfOpen(): number;
}

export class SqliteChords implements Chords {
  readonly #store: SqliteStore;
  readonly #records: KnownRecords;
  readonly #clock: Clock;

  constructor(store: SqliteStore, records: KnownRecords, clock: Clock) {
    this.#store = store;
    this.#records = records;
    this.#clock = clock;
  }

  async resize(groupId: string, size: number, manifest: string | null = null): Promise<void> {
    const sql = `INSERT INTO chord (group_id, size, expires, manifest) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT (group_id) DO UPDATE SET size = ?2, expires = ?3, manifest = coalesce(?4, manifest) WHERE done = 0`;
    const expires = this.#records.expiryOfOpen();
    await this.#store.write(true, (transaction) =>
      transaction.sql(sql).run(groupId, size, expires, manifest),
    );
  }

  async extend(groupId: string, taskId: string): Promise<void> {
    const expires = this.#records.expiryOfOpen();
    await this.#store.write(true, (transaction) => {
      if (!this.#touch(transaction, groupId, expires)) return;
      const note = 'INSERT OR IGNORE INTO chord_part (group_id, task_id) VALUES (?, ?)';
      if (Number(transaction.sql(note).run(groupId, taskId).changes) > 0)
        transaction.sql('UPDATE chord SET extra = extra + 1 WHERE group_id = ?').run(groupId);
    });
  }

  add(part: ChordPart, place: ChordPlace): Promise<ChordState> {
    const text = encodePart(part);
    const expires = this.#records.expiryOfOpen();
    return this.#store.write(true, (transaction) =>
      this.#add(transaction, part.taskId, text, place, expires),
    );
  }

  async parts(groupId: string): Promise<readonly ChordPart[]> {
    // Parts without a place come last, in the order of their arrival.
    const sql = `SELECT part FROM chord_part WHERE group_id = ? AND part IS NOT NULL
      ORDER BY place IS NULL, place, rowid`;
    const rows = this.#store.read((prepare) => prepare(sql).all(groupId));
    return rows.map((row) => {
      const part = decodePart(String(row.part));
      if (!part.ok) throw new StoreError(`a part of chord ${groupId} is damaged: ${part.refusal.detail}`);
      return part.value;
    });
  }

  async look(groupId: string): Promise<ChordCount | null> {
    const row = this.#store.read((prepare) =>
      prepare('SELECT size, extra, count, closer, done, manifest FROM chord WHERE group_id = ?').get(groupId),
    );
    if (row === undefined) return null;
    const added = 'SELECT task_id FROM chord_part WHERE group_id = ? AND part IS NULL ORDER BY rowid';
    const textOf = (value: unknown): string | null => (value === null ? null : String(value));
    return {
      size: row.size === null ? null : Number(row.size),
      extra: Number(row.extra),
      count: Number(row.count),
      closer: textOf(row.closer),
      done: row.done === 1,
      manifest: textOf(row.manifest),
      added: this.#store.read((prepare) => prepare(added).all(groupId)).map(({ task_id: id }) => String(id)),
    };
  }

  withdraw(groupId: string, taskId: string): Promise<boolean> {
    // The note of an added member has no place. Its row may go: that it was added is counted.
    const sql = `DELETE FROM chord_part WHERE group_id = ?1 AND task_id = ?2 AND substr(part, 1, length(?3)) <> ?3
      AND (SELECT closer FROM chord WHERE group_id = ?1) IS NULL`;
    return this.#store.write(true, (transaction) => {
      if (Number(transaction.sql(sql).run(groupId, taskId, successPrefix(taskId)).changes) === 0)
        return false;
      transaction.sql('UPDATE chord SET count = count - 1 WHERE group_id = ?').run(groupId);
      return true;
    });
  }

  close(groupId: string, taskId: string): Promise<boolean> {
    const sql = `UPDATE chord SET closer = ?2 WHERE group_id = ?1 AND done = 0 AND coalesce(closer, ?2) = ?2`;
    return this.#store.write(
      true,
      (transaction) => Number(transaction.sql(sql).run(groupId, taskId).changes) > 0,
    );
  }

  writeOfDone(groupId: string, record?: StoreWrite): StoreWrite {
    const apply = (transaction: Transaction): boolean => {
      record?.apply(transaction as never); // a write of this store
      return this.#end(transaction, groupId);
    };
    return { store: this.#store, apply };
  }

  async done(groupId: string): Promise<void> {
    await this.#store.write(true, (transaction) => this.#end(transaction, groupId));
  }

  /** Deletes expired chords; returns their number. */
  expire(nowMs: number, max: number): Promise<number> {
    const sql = 'DELETE FROM chord WHERE group_id IN (SELECT group_id FROM chord WHERE expires <= ? LIMIT ?)';
    return this.#store.write(false, (transaction) => Number(transaction.sql(sql).run(nowMs, max).changes));
  }

  #add(
    transaction: Transaction,
    taskId: string,
    text: string,
    { groupId, index, bodyId, last, held }: ChordPlace,
    expires: number,
  ): ChordState {
    const { sql } = transaction;
    const chord = sql('SELECT closer, done FROM chord WHERE group_id = ?').get(groupId);
    if (chord?.done === 1) return 'done';
    const closer = chord?.closer ?? null;
    if (closer !== null) return closer === taskId ? 'complete' : 'open';
    this.#touch(transaction, groupId, expires);
    const insert = `INSERT INTO chord_part (group_id, task_id, place, part) VALUES (?, ?, ?, ?)
      ON CONFLICT (group_id, task_id) DO UPDATE SET place = excluded.place, part = excluded.part WHERE part IS NULL`;
    const added = Number(sql(insert).run(groupId, taskId, index, text).changes);
    const row = sql('UPDATE chord SET count = count + ? WHERE group_id = ? RETURNING size, extra, count').get(
      added,
      groupId,
    );
    if (held) return 'open';
    const complete = row?.size != null && Number(row.count) >= Number(row.size) + Number(row.extra);
    const ends = last && (row?.size != null || bodyId === null || !this.#hasEnded(transaction, bodyId));
    if (!ends && !complete) return 'open';
    sql('UPDATE chord SET closer = ? WHERE group_id = ?').run(taskId, groupId);
    return 'complete';
  }

  #hasEnded({ sql }: Transaction, id: string): boolean {
    const ended = `SELECT 1 FROM result
      WHERE task_id = ? AND expires > ? AND status IN ('SUCCESS', 'FAILURE', 'REVOKED')`;
    return sql(ended).get(id, this.#clock.now()) !== undefined;
  }

  /** Creates the chord or extends its expiry. False: the chord is done. */
  #touch({ sql }: Transaction, groupId: string, expires: number): boolean {
    const touch = `INSERT INTO chord (group_id, expires) VALUES (?1, ?2)
      ON CONFLICT (group_id) DO UPDATE SET expires = ?2 WHERE done = 0`;
    return Number(sql(touch).run(groupId, expires).changes) > 0;
  }

  #end({ sql }: Transaction, groupId: string): boolean {
    const end = 'UPDATE chord SET done = 1, closer = NULL, manifest = NULL, expires = ? WHERE group_id = ?';
    return Number(sql(end).run(this.#clock.now() + completedKeptMs, groupId).changes) > 0;
  }
}
