// Writes records: those of one turn of the event loop go out in few script calls.

import putRecordsLua from 'lua:./lua/put-records.lua';
import { StoreError } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import type { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import type { RedisRecordWrite } from './record-write.ts';
import { luaScript } from './scripts.ts';

interface Put {
  readonly args: RedisRecordWrite['args'];
  readonly untilMs: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Bounded, so that a script does not keep Redis from others for long. */
const maxWrites = 200;
const maxSize = 1_000_000;

export class WriteBatcher {
  readonly #connection: RedisConnection;
  readonly #timeoutMs: number;
  readonly #batcher: MicroBatcher<Put> = new MicroBatcher((writes) => {
    for (const chunk of chunksOf(writes, maxWrites, maxSize, ({ args }) => args[3].length))
      void this.#put(chunk);
  });
  readonly #underWay = new Set<Promise<void>>();

  constructor(connection: RedisConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves when the record is kept, or need not be.
   * @throws BrokerUnavailable when the server refuses or does not answer in time: it is safe to try again
   * @throws StoreError when the record's key holds another type
   */
  put({ args }: RedisRecordWrite): Promise<void> {
    const put = new Promise<void>((resolve, reject) => {
      this.#batcher.add({ args, untilMs: performance.now() + this.#timeoutMs, resolve, reject });
    });
    this.#underWay.add(put);
    const done = (): void => void this.#underWay.delete(put);
    put.then(done, done);
    return put;
  }

  /** Resolves when all writes have ended, with success or not. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  async #put(chunk: readonly Put[]): Promise<void> {
    try {
      const answers = await this.#run(chunk);
      for (const [index, put] of chunk.entries()) {
        const refused = String(answers[index] ?? 'no answer');
        if (refused === '') put.resolve();
        else put.reject(this.#explain(refused, put.args[2]));
      }
    } catch (error) {
      for (const put of chunk) put.reject(error);
    }
  }

  /** Repeating is harmless: a record that was written is written again, or is protected. */
  async #run(chunk: readonly Put[]): Promise<readonly unknown[]> {
    const { settings } = this.#connection;
    const args = [String(settings.db), ...chunk.flatMap((put) => put.args)];
    const keys = [chunk[0]?.args[2] ?? ''];
    const answer = await repeat(this.#connection, chunk[0]?.untilMs ?? 0, (timeoutMs) =>
      this.#connection.run(luaScript(putRecordsLua), keys, args, { timeoutMs }),
    );
    if (Array.isArray(answer)) return answer;
    throw new StoreError(`${settings.shown}: the answer of a script is not a list`);
  }

  #explain(refused: string, key: string): Error {
    const { shown } = this.#connection.settings;
    if (/\bWRONGTYPE\b/.test(refused))
      return new StoreError(`${shown}: the key '${key}' holds no result; delete or rename it`);
    return this.#connection.refusedWithin('a result', refused);
  }
}
