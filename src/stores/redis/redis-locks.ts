import extendLockLua from 'lua:./lua/extend-lock.lua';
import lockLua from 'lua:./lua/lock.lua';
import unlockLua from 'lua:./lua/unlock.lua';
import type { Lock, LockList, Locks, LockWrite } from '../locks.ts';
import type { StoreWrite } from '../store-write.ts';
import type { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import type { RedisScript } from './client/script.ts';
import { recordOf } from './record-args.ts';
import { RedisRecordWrite } from './record-write.ts';
import { escapeGlob } from './redis-fanout.ts';
import { luaScript } from './scripts.ts';

const answerMs = 10_000;
/** Of a thousand keys each. */
const maxPages = 200;
/** How long a refused send is remembered, milliseconds, so that the sender can ask. */
const refusalMs = 60_000;

/** The locks in one database of a server. */
export class RedisLocks implements Locks {
  readonly store: object;
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.store = connection.settings.store;
    this.#connection = connection;
  }

  taking({ key, id, ttlMs, replace }: Lock, inner: StoreWrite | undefined): LockWrite {
    const refusal = this.#key(`refused:${id}`);
    const record = recordOf(inner, this.store) ?? [];
    const about = JSON.stringify({ id, replace, refusal, refusalMs, record });
    const { db } = this.#connection.settings;
    const existing = async (): Promise<string | null> => text(await this.#ask(['GET', refusal]));
    return new RedisLockWrite(
      this.store,
      ['lock', String(db), this.#key(key), about, String(ttlMs)],
      existing,
    );
  }

  releasing(key: string, id: string, inner: StoreWrite | undefined): StoreWrite {
    const record = recordOf(inner, this.store) ?? [];
    const { db } = this.#connection.settings;
    return new RedisRecordWrite(
      this.store,
      'unlock',
      db,
      this.#key(key),
      JSON.stringify({ id, record }),
      null,
    );
  }

  async take({ key, id, ttlMs, replace }: Lock): Promise<string | null> {
    return text(await this.#run(luaScript(lockLua), key, [id, String(ttlMs), replace ? '1' : '0']));
  }

  async extend({ key, id, ttlMs }: Lock): Promise<void> {
    await this.#run(luaScript(extendLockLua), key, [id, String(ttlMs)]);
  }

  async release(key: string, id: string): Promise<void> {
    await this.#run(luaScript(unlockLua), key, [id]);
  }

  async owner(key: string): Promise<string | null> {
    return text(await this.#ask(['GET', this.#key(key)]));
  }

  /** Looks through at most 200,000 keys: no list of the locks is kept, since each task that is sent would pay for it. */
  async list(limit: number): Promise<LockList> {
    const begin = this.#key('');
    const keys = new Set<string>();
    let cursor = '0';
    let pages = 0;
    do {
      const page = await this.#ask(['SCAN', cursor, 'MATCH', `${escapeGlob(begin)}*`, 'COUNT', '1000']);
      const [next, found]: readonly unknown[] = Array.isArray(page) ? page : [];
      cursor = String(next ?? '0');
      for (const key of Array.isArray(found) ? found : []) keys.add(String(key));
    } while (cursor !== '0' && ++pages < maxPages);
    const names = [...keys].filter((key) => !key.startsWith(`${begin}refused:`)).sort();
    const shown = names.slice(0, limit);
    const read = await Promise.all(
      shown.map(async (key) => {
        const [id, ms] = await Promise.all([this.#ask(['GET', key]), this.#ask(['PTTL', key])]);
        return { key: key.slice(begin.length), id: text(id), untilMs: Date.now() + Number(ms) };
      }),
    );
    const locks = read.flatMap(({ key, id, untilMs }) => (id === null ? [] : [{ key, id, untilMs }]));
    return { locks, more: names.length > limit || cursor !== '0' };
  }

  #key(key: string): string {
    return `${this.#connection.settings.keyPrefix}umbel:unique:${key}`;
  }

  #run(script: RedisScript, key: string, args: readonly string[]): Promise<unknown> {
    return this.#repeated((timeoutMs) => this.#connection.run(script, [this.#key(key)], args, { timeoutMs }));
  }

  #ask(command: readonly string[]): Promise<unknown> {
    return this.#repeated((timeoutMs) => this.#connection.call(command, { timeoutMs }));
  }

  #repeated<T>(ask: (timeoutMs: number) => Promise<T>): Promise<T> {
    return repeat(this.#connection, performance.now() + answerMs, ask);
  }
}

class RedisLockWrite extends RedisRecordWrite implements LockWrite {
  readonly existing: () => Promise<string | null>;

  constructor(
    store: object,
    [kind, db, key, json, ttl]: RedisRecordWrite['args'],
    existing: () => Promise<string | null>,
  ) {
    super(store, kind, Number(db), key, json, Number(ttl));
    this.existing = existing;
  }
}

function text(answer: unknown): string | null {
  return answer === null || answer === undefined ? null : String(answer);
}
