// One connection to a Redis server that stays: it reconnects for ever, and says of each command what became of it.
import type { createClient } from '@redis/client';
import { BrokerUnavailable, StoreError } from '../../errors.ts';
import type { RedisScript } from './script.ts';
import type { RedisSettings } from './settings.ts';

export type RedisArgument = string | Buffer;

export interface RedisCallOptions {
  /** Milliseconds until there must be an answer, waiting for the connection included; null: as long as it takes. */
  readonly timeoutMs?: number | null | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bulk strings come as Buffers instead of text. */
  readonly buffers?: boolean;
}

/** The command was written and its answer did not come: the server may or may not have carried it out. */
export class ReplyLost extends Error {
  constructor(command: string, options?: ErrorOptions) {
    super(`Redis did not answer ${command}`, options);
    this.name = 'ReplyLost';
  }
}

type Client = ReturnType<typeof createClient>;

const defaultTimeoutMs = 10_000;

export class RedisConnection implements AsyncDisposable {
  readonly settings: RedisSettings;
  readonly #client: Client;
  readonly #buffered: Client;
  readonly #waiting = new Set<() => void>();
  #lastError: Error | null = null;
  #closed = false;

  private constructor(settings: RedisSettings, client: Client, buffered: Client) {
    this.settings = settings;
    this.#client = client;
    this.#buffered = buffered;
    client.on('error', (error: Error) => {
      this.#lastError = error;
    });
    client.on('ready', () => {
      this.#lastError = null;
      for (const wake of this.#waiting) wake();
    });
  }

  /** Begins to connect; commands wait for the connection. */
  static async open(settings: RedisSettings): Promise<RedisConnection> {
    const { createClient, RESP_TYPES } = await import('@redis/client');
    const client = createClient({
      socket: {
        host: settings.host,
        port: settings.port,
        reconnectStrategy: (retries: number) =>
          Math.min(50 * 2 ** retries, 1000) * (0.75 + Math.random() / 2),
      },
      database: settings.db,
      ...(settings.username !== null && { username: settings.username }),
      ...(settings.password !== null && { password: settings.password }),
      disableOfflineQueue: true,
      // The library's default makes an AbortSignal for each command: half of its speed.
      commandOptions: { timeout: undefined as unknown as number }, // its types forget that undefined means none
    });
    const connection = new RedisConnection(
      settings,
      client as Client,
      client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }) as unknown as Client, // differs in the replies' types only
    );
    void client.connect().catch(() => {});
    return connection;
  }

  /**
   * Sends a command.
   * @throws BrokerUnavailable: not done; {@link ReplyLost}: not known; StoreError for an answer that says the command is wrong.
   */
  async call(args: readonly RedisArgument[], options: RedisCallOptions = {}): Promise<unknown> {
    if (!this.#client.isReady) await this.#ready(options);
    try {
      return await (options.buffers === true ? this.#buffered : this.#client).sendCommand(args as string[]);
    } catch (error) {
      throw this.#explain(String(args[0]), error);
    }
  }

  /** Runs a script. @throws as {@link call} */
  async run(
    script: RedisScript,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    options: RedisCallOptions = {},
  ): Promise<unknown> {
    if (!this.#client.isReady) await this.#ready(options);
    const client = options.buffers === true ? this.#buffered : this.#client;
    try {
      return await client.sendCommand(['EVALSHA', script.sha, String(keys.length), ...keys, ...args]);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT'))
        throw this.#explain(script.name, error);
    }
    return this.call(['EVAL', script.source, String(keys.length), ...keys, ...args], options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const wake of this.#waiting) wake();
    this.#client.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ready({ timeoutMs, signal }: RedisCallOptions): Promise<void> {
    const until =
      timeoutMs === null ? Number.POSITIVE_INFINITY : Date.now() + (timeoutMs ?? defaultTimeoutMs);
    while (!this.#client.isReady) {
      signal?.throwIfAborted();
      const left = until - Date.now();
      if (this.#closed) throw new BrokerUnavailable(`the connection to ${this.settings.shown} is closed`);
      if (left <= 0)
        throw new BrokerUnavailable(`${this.settings.shown} cannot be reached`, { cause: this.#lastError });
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(wake, Math.min(left, 2 ** 31 - 1));
        this.#waiting.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #explain(command: string, error: unknown): Error {
    if (!(error instanceof Error)) return new Error(String(error));
    if (error.name === 'ClientOfflineError')
      return new BrokerUnavailable(`${this.settings.shown} cannot be reached`, { cause: error });
    if (
      /^(OOM|READONLY|LOADING|MASTERDOWN|BUSY|NOAUTH|NOPERM|WRONGPASS|CLUSTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS)\b/.test(
        error.message,
      )
    )
      return new BrokerUnavailable(`${this.settings.shown} refuses: ${error.message}`, { cause: error });
    if (/^[A-Z]+ /.test(error.message))
      return new StoreError(`${this.settings.shown}: ${command}: ${error.message}`, { cause: error });
    return new ReplyLost(command, { cause: error });
  }
}
