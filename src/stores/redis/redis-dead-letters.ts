import deadLettersLua from 'lua:./lua/dead-letters.lua';
import replayDeadLetterLua from 'lua:./lua/replay-dead-letter.lua';
import type { DeadLetterStore, DeadReason, StoredDeadLetter } from '../transport.ts';
import type { RedisConnection } from './client/connection.ts';
import { changing, reading } from './client/repeat.ts';
import { consumersKey } from './keys.ts';
import { luaScript } from './scripts.ts';

export class RedisDeadLetters implements DeadLetterStore {
  readonly #connection: RedisConnection;
  readonly #prefix: string;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.#prefix = connection.settings.keyPrefix;
  }

  list(
    options: { limit?: number; before?: number; queue?: string } = {},
  ): Promise<readonly StoredDeadLetter[]> {
    const { limit = 100, before, queue = '' } = options;
    return this.#letters(queue, before === undefined ? '+inf' : `(${before}`, limit);
  }

  async get(id: number): Promise<StoredDeadLetter | undefined> {
    const [letter] = await this.#letters('', String(id), 1);
    return letter?.id === id ? letter : undefined;
  }

  async count(): Promise<number> {
    const command = ['ZCARD', `${this.#prefix}umbel:dead`];
    return Number(
      await reading(this.#connection, (timeoutMs) => this.#connection.call(command, { timeoutMs })),
    );
  }

  replay(id: number): Promise<boolean> {
    return this.#take(id, true);
  }

  discard(id: number): Promise<boolean> {
    return this.#take(id, false);
  }

  async #take(id: number, replay: boolean): Promise<boolean> {
    const args = [this.#prefix, String(id), replay ? '1' : '0'];
    const key = consumersKey(this.#prefix);
    const taking = this.#connection.run(luaScript(replayDeadLetterLua), [key], args);
    return Number(await changing(this.#connection, taking)) === 1;
  }

  async #letters(queue: string, from: string, limit: number): Promise<StoredDeadLetter[]> {
    const args = [this.#prefix, queue, from, String(limit)];
    const key = consumersKey(this.#prefix);
    const reply = await reading(this.#connection, (timeoutMs) =>
      this.#connection.run(luaScript(deadLettersLua), [key], args, { buffers: true, timeoutMs }),
    );
    const letters: StoredDeadLetter[] = [];
    const cells: readonly unknown[] = Array.isArray(reply) ? reply : [];
    for (let at = 0; at + 6 < cells.length; at += 7) {
      const [id, of, reason, detail, diedAt, crashes, raw] = cells.slice(at, at + 7);
      letters.push({
        id: Number(String(id)),
        queue: String(of),
        reason: String(reason) as DeadReason, // written by our own script
        detail: String(detail),
        diedAt: new Date(Number(String(diedAt))),
        crashes: Number(String(crashes)),
        raw: Buffer.isBuffer(raw) ? raw : Buffer.from(String(raw)),
      });
    }
    return letters;
  }
}
