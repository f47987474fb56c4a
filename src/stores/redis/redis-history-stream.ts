// The history stream in Redis: a stream, written by the scripts that send and settle.
import historyLua from 'lua:./lua/history.lua';
import {
  type EntryFrame,
  type HistoryBatch,
  type HistoryReader,
  type HistoryStream,
  type HistoryStreamOptions,
  type HistoryStreamStatus,
  registrationMs,
} from '../history-stream.ts';
import type { StoreWrite } from '../store-write.ts';
import type { RedisConnection } from './client/connection.ts';
import { reading } from './client/repeat.ts';
import { RedisHistoryWrite } from './history-write.ts';
import { consumersKey } from './keys.ts';
import { luaScript } from './scripts.ts';

/** About 200 MB. */
const defaultLimit = 200_000;

export class RedisHistoryStream implements HistoryStream {
  readonly #connection: RedisConnection;
  readonly #limit: string;

  constructor(connection: RedisConnection, { limit }: HistoryStreamOptions) {
    this.#connection = connection;
    this.#limit = String(limit ?? defaultLimit);
  }

  async registered(): Promise<boolean> {
    return Number(await this.#ask('registered')) === 1;
  }

  /** Repeated if the reply was lost: an entry that is there twice tells the same. */
  async append(entries: readonly string[]): Promise<void> {
    if (entries.length > 0) await this.#ask('append', this.#limit, ...entries);
  }

  writeOf(entry: string): StoreWrite {
    return new RedisHistoryWrite(this.#connection.settings.store, this.#limit, null, entry);
  }

  writeIn(frame: EntryFrame, text: string): StoreWrite {
    return new RedisHistoryWrite(this.#connection.settings.store, this.#limit, frame, text);
  }

  async register(id: string): Promise<HistoryReader> {
    const isNew = Number(await this.#ask('register', id)) === 1;
    return {
      isNew,
      waiting: async () => Number(await this.#ask('waiting', id)),
      read: (limit) => this.#read(id, limit),
      renew: async () => void (await this.#ask('register', id)),
      leave: async () => void (await this.#ask('leave', id)),
      close: async () => undefined,
    };
  }

  async status(): Promise<HistoryStreamStatus> {
    const [waiting = 0, ...cells] = listOf(await this.#ask('status'));
    const readers: { readonly id: string; readonly seenAt: Date }[] = [];
    for (let at = 0; at + 1 < cells.length; at += 2)
      readers.push({ id: String(cells[at]), seenAt: new Date(Number(cells[at + 1])) });
    readers.sort((a, b) => b.seenAt.getTime() - a.seenAt.getTime());
    return { waiting: Number(waiting), readers };
  }

  async close(): Promise<void> {
    // The connection is the transport's.
  }

  async #read(id: string, limit: number): Promise<HistoryBatch> {
    const [position, first, ...found] = listOf(await this.#ask('read', id, String(limit)));
    const after = Math.max(Number(position), Number(first) - 1);
    const last = String(after + found.length);
    return {
      entries: found.map(String),
      dropped: after - Number(position),
      acknowledge: async () => void (await this.#ask('acknowledge', id, last)),
    };
  }

  #ask(...args: readonly string[]): Promise<unknown> {
    const { keyPrefix } = this.#connection.settings;
    const all = [keyPrefix, String(registrationMs), ...args];
    return reading(this.#connection, (timeoutMs) =>
      this.#connection.run(luaScript(historyLua), [consumersKey(keyPrefix)], all, { timeoutMs }),
    );
  }
}

function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}
