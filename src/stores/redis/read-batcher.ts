import { StoreError } from '../../errors.ts';
import { chunksOf, MicroBatcher } from '../../lib/batch.ts';
import type { RedisConnection } from './client/connection.ts';
import { repeat } from './client/repeat.ts';

interface Get {
  readonly key: string;
  resolve(text: string | null): void;
  reject(error: unknown): void;
}

/** Bounded, since results may be large, and a whole answer is in memory at once. */
const maxReads = 100;

/** Reads records: those that are asked for in one turn of the event loop are read together. */
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

  /** The text at the key; null: there is none. @throws BrokerUnavailable; StoreError when the key holds another type */
  get(key: string): Promise<string | null> {
    return new Promise((resolve, reject) => this.#batcher.add({ key, resolve, reject }));
  }

  async #get(gets: readonly Get[]): Promise<void> {
    const keys = gets.map(({ key }) => key);
    // GET reports a key of another type; MGET does not.
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
