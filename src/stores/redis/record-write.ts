// The write of a record, which a script makes: alone, or together with a settlement or a send.
import type { StoreWrite } from '../store-write.ts';

/**
 * `sent`: only if there is no record. `sent-elsewhere`: the same, under a key next to the record's ({@link sentElsewhereKey}). `ready`: unless there is
 * a SUCCESS. `unready`: unless the task has ended. `done`: the end of the chord whose keys begin with this one, and the record in its text, if
 * there is one. `lock`: the lock of a unique task, unless another task has it, with the record in its text. `unlock`: the end of that lock, if
 * this task has it, with such a record. `all`: the records in its text, in their order.
 */
export type RecordKind = 'sent' | 'sent-elsewhere' | 'ready' | 'unready' | 'done' | 'lock' | 'unlock' | 'all';

/** The key of the note that a task was sent, where no record of ours may be: see `ResultBackend.writeOfSent`. */
export function sentElsewhereKey(recordKey: string): string {
  return `${recordKey}.umbel-sent`;
}

/** Made by the result backend, carried out by `lua/include/records.lua`. */
export class RedisRecordWrite implements StoreWrite {
  /** `RedisSettings.store` */
  readonly store: object;
  /** The arguments of `write_record`, in its order. */
  readonly args: readonly [kind: RecordKind, db: string, key: string, json: string, ttlMs: string];

  /** @param ttlMs how long the record is kept, milliseconds; null: for ever */
  constructor(store: object, kind: RecordKind, db: number, key: string, json: string, ttlMs: number | null) {
    this.store = store;
    this.args = [kind, String(db), key, json, ttlMs === null ? '' : String(ttlMs)];
  }

  apply(): boolean {
    throw new TypeError('a record on Redis is written by a script');
  }
}

/** Combines writes into one, in this order. */
export function allOf(first: RedisRecordWrite, more: readonly RedisRecordWrite[]): RedisRecordWrite {
  const [, db, key] = first.args;
  const text = JSON.stringify([first, ...more].map(({ args }) => args));
  return new RedisRecordWrite(first.store, 'all', Number(db), key, text, null);
}
