import { StoreError } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import type { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';

interface Get {
  readonly key: string;
  resolve(text: string | null): void;
  reject(error: unknown): void;
}

/** Results may be large, and all of an answer is in memory at once. */
const maxReads = 100;

/** Reads records: what was asked for in one turn of the event loop goes out together. */
export class ReadBatcher {
  readonly #connection: RedisConnection;
  readonly #timeoutMs: number;
  readonly #batcher: MicroBatcher<Get> = new MicroBatcher((gets) => {
    for (const chunk of chunksOf(gets, maxReads, 1, () => 0)) void this.#get(chunk);
  });

  constructor(connection: RedisConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /** The text at the key; null: nothing is there. @throws BrokerUnavailable; StoreError when it is no text */
  get(key: string): Promise<string | null> {
    return new Promise((resolve, reject) => this.#batcher.add({ key, resolve, reject }));
  }

  async #get(gets: readonly Get[]): Promise<void> {
    const keys = gets.map(({ key }) => key);
    // For one key GET, which says so when something else than text is there; MGET keeps silent about it.
    const command = keys.length === 1 ? 'GET' : 'MGET';
    try {
      const untilMs = performance.now() + this.#timeoutMs;
      const answer = await repeat(this.#connection, untilMs, (timeoutMs) =>
        this.#connection.call([command, ...keys], { timeoutMs }),
      );
      const texts: readonly unknown[] = command === 'GET' ? [answer] : Array.isArray(answer) ? answer : [];
      for (const [index, get] of gets.entries()) {
        const text = texts[index];
        if (typeof text === 'string' || text === null) get.resolve(text);
        else get.reject(new StoreError(`${this.#connection.settings.shown}: ${command} answered no text`));
      }
    } catch (error) {
      for (const get of gets) get.reject(error);
    }
  }
}
