// One connection that listens on a channel: opened for the first subscriber, reopened when it is lost, closed after the last subscriber.
import type { Client } from 'pg';
import { BrokerUnavailable } from '../../../errors.ts';
import { backoffDelay } from '../../../lib/backoff.ts';
import { systemClock } from '../../../lib/clock.ts';
import { startDeadline, withDeadline } from '../../../lib/deadline.ts';
import type { Gate } from '../../gate.ts';
import { classifyPostgresError, noAnswer, postgresRefusal, sqlStateOf, whyPostgresIsAway } from './errors.ts';
import { clientConfig, loadDriver, postgresGate } from './pool.ts';
import type { PostgresSettings } from './settings.ts';

interface PostgresListenerHandlers {
  onNotify(payload: string): void;
  /** Earlier notifications may have been missed. */
  onGap(): void;
}

/** Delays between refused attempts, and before the first attempt after the connection was lost. */
const retryPolicy = { factor: 50, maximum: 2000, jitter: true } as const;
/** How long a subscriber waits for the server, milliseconds. */
const timeoutMs = 10_000;
/** How often an idle connection is probed, milliseconds: there may be no notification for hours. */
const askEveryMs = 5000;
/** How long the connection stays open after the last subscriber, milliseconds, since another often follows soon. */
const lingerMs = 2000;

interface Waiting {
  /** Cancels the deadline. */
  readonly end: () => void;
  resolve(): void;
  reject(error: Error): void;
}

export class PostgresListener {
  readonly #settings: PostgresSettings;
  readonly #channel: string;
  readonly #handlers: PostgresListenerHandlers;
  readonly #gate: Gate;
  readonly #waiting = new Set<Waiting>();
  #wanted = 0;
  #isListening = false;
  #isClosed = false;
  #running: Promise<void> | null = null;
  /** Ends the current connection, the attempt to connect, or the pause before the next attempt. */
  #interrupt: () => void = () => {};
  #linger: NodeJS.Timeout | null = null;
  #reason = 'it did not answer in time';

  constructor(settings: PostgresSettings, channel: string, handlers: PostgresListenerHandlers) {
    this.#settings = settings;
    this.#channel = channel;
    this.#handlers = handlers;
    this.#gate = postgresGate(settings);
  }

  /**
   * Resolves when the server has confirmed the subscription: every later notification arrives. Each call needs a call of `ignore`, even if
   * it failed.
   * @throws BrokerUnavailable when the server does not confirm in time.
   */
  listen(): Promise<void> {
    this.#wanted++;
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    if (this.#isListening) return Promise.resolve();
    this.#running ??= this.#run();
    return new Promise((yes, no) => {
      const waiting: Waiting = {
        end: startDeadline(timeoutMs, () => {
          this.#waiting.delete(waiting);
          no(new BrokerUnavailable(`${this.#settings.shown} cannot be listened to: ${this.#reason}`));
        }),
        resolve: yes,
        reject: no,
      };
      this.#waiting.add(waiting);
    });
  }

  ignore(): void {
    if (--this.#wanted > 0 || this.#running === null || this.#isClosed) return;
    this.#linger = setTimeout(() => {
      this.#linger = null;
      if (this.#wanted === 0) this.#interrupt();
    }, lingerMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#interrupt();
    this.#answer(new BrokerUnavailable(`the connection to ${this.#settings.shown} is closed`));
    await this.#running;
  }

  get #isWanted(): boolean {
    return !this.#isClosed && (this.#wanted > 0 || this.#linger !== null);
  }

  async #run(): Promise<void> {
    try {
      await this.#stay();
    } finally {
      // In the same turn of the event loop as the last check for subscribers.
      this.#running = null;
    }
  }

  async #stay(): Promise<void> {
    const { Client } = await loadDriver();
    // Not `retrying`: a connection that was made and lost is not a failure, and while the server is away the gate sets the pace.
    for (let refusals = 0; this.#isWanted; ) {
      const stop = new AbortController();
      this.#interrupt = () => stop.abort(new Error('nobody listens'));
      const client = new Client(clientConfig(this.#settings));
      try {
        await this.#listenOn(client, stop.signal, () => (refusals = 0));
      } catch (error) {
        if (whyPostgresIsAway(error) === null) refusals++;
        const refused = postgresRefusal(this.#settings.shown, error);
        this.#reason = refused.message;
        // An error that does not pass by itself is reported at once.
        if (classifyPostgresError(sqlStateOf(error)).kind !== 'again') this.#answer(refused);
      } finally {
        this.#isListening = false;
        await endOf(client);
      }
      if (this.#isWanted)
        await systemClock.sleep(backoffDelay(retryPolicy, refusals), stop.signal).catch(() => {});
    }
  }

  /** Listens until the connection is lost or not needed any more. */
  async #listenOn(client: Client, stop: AbortSignal, onSuccess: () => void): Promise<void> {
    const ended = new Promise<void>((done, fail) => {
      stop.addEventListener('abort', () => done(), { once: true });
      client.on('error', fail);
      client.on('end', () => fail(new Error('the server closed the connection')));
    });
    ended.catch(() => {}); // the connection may be lost before `ended` is awaited
    client.on('notification', ({ payload }) => this.#handlers.onNotify(payload ?? ''));
    const ask = (sql: string): Promise<unknown> => withDeadline(askEveryMs, client.query(sql), noAnswer);
    const begin = async (): Promise<void> => {
      await client.connect();
      await ask(`LISTEN "${this.#channel}"`);
    };
    const reach = async (): Promise<void> => {
      await Promise.race([begin(), ended]);
      stop.throwIfAborted();
    };
    const report = (reason: string): void => {
      this.#reason = reason;
    };
    const way = {
      reach,
      whyAway: whyPostgresIsAway,
      report,
      pause: (ms: number, signal: AbortSignal) => systemClock.sleep(ms, signal),
    };
    await this.#gate.attempt(way, stop);
    if (!this.#isWanted) return;
    onSuccess();
    this.#isListening = true;
    this.#handlers.onGap();
    this.#answer();
    const asking = setInterval(() => {
      ask('SELECT 1').catch((error: Error) => client.emit('error', error));
    }, askEveryMs);
    try {
      await ended;
    } finally {
      clearInterval(asking);
    }
  }

  #answer(error?: Error): void {
    for (const waiting of this.#waiting) {
      waiting.end();
      if (error === undefined) waiting.resolve();
      else waiting.reject(error);
    }
    this.#waiting.clear();
  }
}

/** Closes the connection, without waiting for a server that does not answer. */
function endOf(client: Client): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, goodbyeMs);
    client
      .end()
      .catch(() => {})
      .finally(() => {
        clearTimeout(timer);
        done();
      });
  });
}

const goodbyeMs = 500;
