// A lasting connection to a Redis server: made again whenever it is lost. For each command it tells whether it was done, was not, or may have been.
import { BrokerUnavailable, type StoreError } from '../../../errors.ts';
import { NotConnected, type RedisClient } from './client.ts';
import { classifyRedisError, movedTo, refusal } from './errors.ts';
import { RedisLink } from './link.ts';
import { ErrorReply, type RedisArgument } from './resp.ts';
import type { RedisScript } from './script.ts';
import type { RedisEndpoint, RedisSettings } from './settings.ts';

interface RedisCallOptions {
  /** The deadline of an answer, milliseconds, including the wait for the connection; null: none. Default 10,000. */
  readonly timeoutMs?: number | null | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bulk strings are returned as Buffers instead of text. */
  readonly buffers?: boolean;
}

/** The command was sent and its answer was lost: the server may or may not have carried it out. */
export class ReplyLost extends Error {
  constructor(command: string, options?: ErrorOptions) {
    super(`Redis did not answer ${command}`, options);
    this.name = 'ReplyLost';
  }
}

/** `reason` is for people; null when connected. */
interface RedisState {
  readonly connected: boolean;
  readonly reason: string | null;
}

/** A command that was sent and waits for its answer. */
interface Pending {
  readonly client: RedisClient;
  readonly command: string;
  readonly since: number;
  /** The deadline by this process's own clock: moved when the process was busy meanwhile. */
  until: number;
  readonly fail: (error: Error) => void;
}

const defaultTimeoutMs = 10_000;
const maxMoves = 5;
/** How often deadlines are checked; when a check is later by this time, the process was busy. Milliseconds. */
const watchIntervalMs = 1000;
const busyMs = 50;

export class RedisConnection implements AsyncDisposable {
  readonly settings: RedisSettings;
  readonly #link: RedisLink;
  readonly #waiting = new Set<() => void>();
  readonly #pending = new Set<Pending>();
  readonly #listeners = new Set<(state: RedisState) => void>();
  #state: RedisState = { connected: false, reason: null };
  #lastReply = 0;
  #watchdog: { readonly timer: NodeJS.Timeout; readonly at: number } | null = null;
  #closed = false;

  private constructor(settings: RedisSettings) {
    this.settings = settings;
    this.#link = new RedisLink(settings, {
      onReady: () => {
        this.#setState({ connected: true, reason: null });
        for (const wake of [...this.#waiting]) wake();
      },
      onLost: (reason) => this.#setState({ connected: false, reason }),
    });
  }

  /** Begins to connect; commands wait for the connection. It keeps the process alive while a command waits, and with {@link keepProcess} always. */
  static async open(settings: RedisSettings): Promise<RedisConnection> {
    return new RedisConnection(settings);
  }

  /** Keeps the process alive until it is closed. */
  keepProcess(): this {
    this.#link.hold();
    return this;
  }

  get state(): RedisState {
    return this.#state;
  }

  /** The server it is connected to, or was last. */
  get endpoint(): RedisEndpoint | null {
    return this.#link.endpoint;
  }

  /** Calls the listener at each change of `state`, until the returned function is called. */
  onState(listener: (state: RedisState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sends a command.
   * @throws BrokerUnavailable: not done; {@link ReplyLost}: not known; StoreError: refused for good; the signal's reason when
   * it is aborted before the command is sent
   */
  call(args: readonly RedisArgument[], options: RedisCallOptions = {}): Promise<unknown> {
    return this.#do(String(args[0]), args, null, options);
  }

  /** Runs a script. @throws as {@link call} */
  run(
    script: RedisScript,
    keys: readonly RedisArgument[],
    args: readonly RedisArgument[],
    options: RedisCallOptions = {},
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    return this.#do(script.name, ['EVALSHA', script.sha, ...rest], ['EVAL', script.source], options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const wake of [...this.#waiting]) wake();
    await this.#link.close();
    if (this.#watchdog !== null) clearTimeout(this.#watchdog.timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `unknownScript`: the beginning of the command to send when the server does not know the script. */
  async #do(
    name: string,
    args: readonly RedisArgument[],
    unknownScript: readonly string[] | null,
    options: RedisCallOptions,
  ): Promise<unknown> {
    let sent = args;
    let left = options;
    for (let moves = 0; ; ) {
      let { client } = this.#link;
      if (client === null) {
        const since = performance.now();
        client = await this.#ready(left);
        left = afterwards(left, performance.now() - since);
      }
      try {
        return await this.#send(client, name, sent, left);
      } catch (error) {
        const message = error instanceof Error ? error.message : '';
        if (unknownScript !== null && message.startsWith('NOSCRIPT')) {
          sent = [...unknownScript, ...args.slice(2)];
          unknownScript = null;
          continue;
        }
        const explained = this.#explain(client, name, error);
        // The answer names the server that has the keys, and nothing was done: the command goes there.
        if (explained instanceof ReplyLost || movedTo(message) === null || ++moves > maxMoves)
          throw explained;
      }
    }
  }

  async #ready({ timeoutMs, signal }: RedisCallOptions): Promise<RedisClient> {
    const until =
      timeoutMs === null ? Number.POSITIVE_INFINITY : performance.now() + (timeoutMs ?? defaultTimeoutMs);
    for (;;) {
      const { client } = this.#link;
      if (client !== null) return client;
      signal?.throwIfAborted();
      const left = until - performance.now();
      if (this.#closed) throw new BrokerUnavailable(`the connection to ${this.settings.shown} is closed`);
      if (left <= 0)
        throw new BrokerUnavailable(
          `${this.settings.shown} cannot be reached${this.#state.reason === null ? '' : `: ${this.#state.reason}`}`,
        );
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          if (this.#waiting.delete(wake)) this.#link.release();
          signal?.removeEventListener('abort', wake);
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(wake, Math.min(left, 2 ** 31 - 1));
        this.#waiting.add(wake);
        this.#link.hold();
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #send(
    client: RedisClient,
    command: string,
    args: readonly RedisArgument[],
    { buffers, timeoutMs, signal }: RedisCallOptions,
  ): Promise<unknown> {
    const now = performance.now();
    const until = timeoutMs === null ? Number.POSITIVE_INFINITY : now + (timeoutMs ?? defaultTimeoutMs);
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        client,
        command,
        since: now,
        until,
        fail: (error) => settle(() => reject(error)),
      };
      const abort = (): void => pending.fail(new ReplyLost(command, { cause: signal?.reason }));
      const settle = (then: () => void): void => {
        if (this.#pending.delete(pending)) this.#link.release();
        signal?.removeEventListener('abort', abort);
        then();
      };
      this.#pending.add(pending);
      this.#link.hold();
      signal?.addEventListener('abort', abort, { once: true });
      this.#watch(until);
      client.send(
        args,
        buffers === true,
        (reply) => {
          this.#lastReply = performance.now();
          settle(() => resolve(reply));
        },
        pending.fail,
      );
    });
  }

  /** One timer for all waiting commands: checks their deadlines. */
  #watch(until: number): void {
    if (until === Number.POSITIVE_INFINITY || (this.#watchdog !== null && this.#watchdog.at <= until)) return;
    if (this.#watchdog !== null) clearTimeout(this.#watchdog.timer);
    const at = Math.min(until, performance.now() + watchIntervalMs);
    // Timers that are due run before sockets are read: answers that have arrived are read first. Commands keep the process alive, their deadlines do not.
    const look = (): void => void setImmediate(() => this.#onDeadline(at));
    this.#watchdog = { timer: setTimeout(look, Math.max(1, at - performance.now())).unref(), at };
  }

  #onDeadline(at: number): void {
    if (this.#watchdog !== null) clearTimeout(this.#watchdog.timer);
    this.#watchdog = null;
    const now = performance.now();
    // While the process was busy or stopped it received nothing, and commands to send waited, too.
    if (now - at > busyMs)
      for (const pending of this.#pending)
        pending.until = Math.max(pending.until + (now - at), now + watchIntervalMs / 4);
    let next = Number.POSITIVE_INFINITY;
    for (const pending of [...this.#pending]) {
      if (pending.until > now) {
        next = Math.min(next, pending.until);
        continue;
      }
      pending.fail(new ReplyLost(pending.command));
      // There was no answer at all since then: the server is gone, or cannot be reached.
      if (this.#lastReply < pending.since)
        this.#link.reset(pending.client, new Error(`no answer for ${Math.round(now - pending.since)} ms`));
    }
    this.#watch(next);
  }

  #explain(client: RedisClient, command: string, error: unknown): Error {
    if (!(error instanceof Error)) return new Error(String(error));
    if (error instanceof ReplyLost) return error;
    if (error instanceof NotConnected)
      return new BrokerUnavailable(`${this.settings.shown} cannot be reached`, { cause: error });
    if (!(error instanceof ErrorReply)) return new ReplyLost(command, { cause: error });
    this.#lastReply = performance.now();
    return this.#refused(client, command, error);
  }

  /** A refusal that a script caught and returned, as if the server had refused the script itself. */
  refusedWithin(command: string, answer: string): BrokerUnavailable | StoreError {
    return this.#refused(this.#link.client, command, new Error(answer));
  }

  /** A refusal that will pass is BrokerUnavailable. A server that is the wrong one now is left. */
  #refused(client: RedisClient | null, command: string, error: Error): BrokerUnavailable | StoreError {
    const { kind } = classifyRedisError(error.message);
    if (client !== null && kind === 'rediscover')
      this.#link.reset(client, error, { endpoint: movedTo(error.message), gently: true });
    else if (client !== null && kind === 'reconnect') this.#link.reset(client, error);
    return refusal(this.settings.shown, command, error);
  }

  #setState(state: RedisState): void {
    const { connected, reason } = this.#state;
    if (connected === state.connected && reason === state.reason) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function afterwards(options: RedisCallOptions, waitedMs: number): RedisCallOptions {
  const { timeoutMs = defaultTimeoutMs } = options;
  return timeoutMs === null ? options : { ...options, timeoutMs: Math.max(1, timeoutMs - waitedMs) };
}
