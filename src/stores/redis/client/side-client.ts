// The Redis connection of a side thread, which calls one script, and its messages to and from the thread that started it.
import { parentPort, workerData } from 'node:worker_threads';
import { withDeadline } from '../../../lib/deadline.ts';
import { RedisClient, type RedisClientOptions } from './client.ts';
import type { Reply } from './resp.ts';

/** The start data of a side thread. */
export interface SideThreadStart<Data> {
  readonly data: Data;
  readonly options: RedisClientOptions;
  /** The other thread's connection is lost. */
  readonly away: boolean;
  readonly script: string;
  readonly sha: string;
  readonly key: string;
  readonly answerMs: number;
  readonly connectTimeoutMs: number;
}

/** A message to a side thread: from its owner, or (`options`) the server to which the other thread is connected; null: none. */
export type ToSideThread<Input> =
  | { readonly message: Input }
  | { readonly options: RedisClientOptions | null };

interface Handlers<Input> {
  /** There is a connection, or there is one again. */
  onReady?(): void;
  onMessage(message: Input): void;
}

/** How soon at the latest a thread tries for itself what the other thread is trying; a third of its lease, if that is sooner. */
const maxBlockedMs = 4000;

export class SideClient<Data, Input, Output> {
  readonly data: Data;
  /** The key of the script. */
  readonly key: string;
  readonly #start: SideThreadStart<Data>;
  readonly #handlers: Handlers<Input>;
  #options: RedisClientOptions;
  #client: RedisClient;
  #ready = false;
  #failures = 0;
  #away: boolean;
  #retrying: NodeJS.Timeout | undefined;

  constructor(handlers: Handlers<Input>) {
    this.#start = workerData as SideThreadStart<Data>; // `SideThread` gave it
    this.#handlers = handlers;
    this.data = this.#start.data;
    this.key = this.#start.key;
    this.#options = this.#start.options;
    this.#away = this.#start.away;
    this.#client = this.#connect();
    parentPort?.on('message', (message: ToSideThread<Input>) => this.#receive(message));
  }

  get isReady(): boolean {
    return this.#ready;
  }

  post(message: Output): void {
    parentPort?.postMessage(message);
  }

  /** Calls the script. @throws Refusal by the server; Error when there is no connection, or no answer in time */
  async run(...args: readonly string[]): Promise<Reply> {
    if (!this.#ready) throw new Error('there is no connection');
    const client = this.#client;
    const { script, sha, key, answerMs } = this.#start;
    const call = client.call(['EVALSHA', sha, '1', key, ...args]).catch((error: Error) => {
      if (!error.message.startsWith('NOSCRIPT')) throw error;
      return client.call(['EVAL', script, '1', key, ...args]);
    });
    return withDeadline(answerMs, call, () => {
      client.destroy();
      return new Error('no answer');
    });
  }

  #receive(message: ToSideThread<Input>): void {
    if ('message' in message) {
      this.#handlers.onMessage(message.message);
      return;
    }
    this.#away = message.options === null;
    const isClosed = !this.#client.isOpen;
    if (message.options === null) {
      if (!this.#ready && isClosed) this.#retry();
      return;
    }
    const isSame = JSON.stringify(this.#options) === JSON.stringify(message.options);
    if (isSame && (this.#ready || !isClosed)) return;
    this.#options = message.options;
    const old = this.#client;
    this.#client = this.#connect();
    old.destroy();
  }

  #connect(): RedisClient {
    clearTimeout(this.#retrying);
    this.#ready = false;
    const client: RedisClient = new RedisClient(this.#options, () => {
      if (client !== this.#client) return;
      this.#ready = false;
      this.#failures++;
      this.#retry();
    });
    withDeadline(this.#start.connectTimeoutMs, client.connected(), () => new Error('no answer')).then(
      () => {
        this.#failures = 0;
        this.#ready = client === this.#client;
        if (this.#ready) this.#handlers.onReady?.();
      },
      () => client.destroy(),
    );
    return client;
  }

  /** While the other thread tries to connect, this one waits to be told that the server is back; it tries itself if that thread is blocked. */
  #retry(): void {
    clearTimeout(this.#retrying);
    const ms = this.#away
      ? Math.min(maxBlockedMs, this.#start.answerMs)
      : Math.min(25 * 2 ** this.#failures, 1000);
    this.#retrying = setTimeout(
      () => {
        this.#client = this.#connect();
      },
      ms * (0.75 + Math.random() / 2),
    );
  }
}
