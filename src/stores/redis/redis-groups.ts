// Groups in Redis, in Celery's form: `{"result": <tuple>}` under `celery-taskset-meta-<id>`.

import { decodeJson, encodeJson } from '../../protocol/json.ts';
import { isMap } from '../../protocol/refusal.ts';
import type { ResultTuple } from '../../protocol/result-meta.ts';
import type { GroupRecords } from '../group-records.ts';
import type { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';
import { groupKey } from './record-keys.ts';

export class RedisGroups implements GroupRecords {
  readonly #connection: RedisConnection;
  readonly #answerMs: number;
  readonly #keptMs: number | null;

  /** @param keptMs how long they are kept, milliseconds; null: for ever */
  constructor(connection: RedisConnection, answerMs: number, keptMs: number | null) {
    this.#connection = connection;
    this.#answerMs = answerMs;
    this.#keptMs = keptMs;
  }

  async put(id: string, tuple: ResultTuple): Promise<void> {
    const expiry = this.#keptMs === null ? [] : ['PX', String(Math.ceil(this.#keptMs))];
    await this.#call(['SET', this.#keyOf(id), `{"result": ${encodeJson(tuple, '$group')}}`, ...expiry]);
  }

  async get(id: string): Promise<ResultTuple | undefined> {
    const text = await this.#call(['GET', this.#keyOf(id)]);
    if (text === null || text === undefined) return undefined;
    const decoded = decodeJson(String(text));
    return decoded.ok && isMap(decoded.value) && Array.isArray(decoded.value.result)
      ? decoded.value.result
      : undefined;
  }

  async forget(id: string): Promise<boolean> {
    return Number(await this.#call(['DEL', this.#keyOf(id)])) > 0;
  }

  #call(command: string[]): Promise<unknown> {
    return repeat(this.#connection, performance.now() + this.#answerMs, (timeoutMs) =>
      this.#connection.call(command, { timeoutMs }),
    );
  }

  #keyOf(id: string): string {
    return groupKey(this.#connection.settings.keyPrefix, id);
  }
}
