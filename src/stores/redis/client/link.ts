// Makes the client again whenever it is lost, and looks up the server each time.

import { backoffDelay } from '../../../lib/backoff.ts';
import { withDeadline } from '../../../lib/deadline.ts';
import { deferred } from '../../../lib/deferred.ts';
import { IdlePause } from '../../../lib/idle-pause.ts';
import { type Gate, gateTo } from '../../gate.ts';
import { RedisClient, type RedisClientOptions } from './client.ts';
import { classifyRedisError } from './errors.ts';
import { ErrorReply } from './resp.ts';
import { type RedisEndpoint, type RedisSettings, shownEndpoint } from './settings.ts';

/** Options for a client of this server. `sentinel`: with the sentinels' own password, and no database. */
export function clientOptions(
  settings: RedisSettings,
  endpoint: RedisEndpoint,
  sentinel = false,
): RedisClientOptions {
  const { tls, db } = settings;
  const { username, password } = (sentinel ? settings.sentinel : settings) ?? settings;
  return {
    socket: {
      ...endpoint,
      ...(tls !== null && !('path' in endpoint) && { tls: true, ...tls }),
    },
    ...(!sentinel && { database: db }),
    ...(username !== null && { username }),
    ...(password !== null && { password }),
  };
}

interface RedisLinkEvents {
  /** A client is connected; called before any other code may use it. */
  onReady(client: RedisClient): void;
  /** The client is lost; `reason` is for people. Called for each attempt that fails, too. */
  onLost(reason: string): void;
}

/** How long a client that was given up may still receive answers, milliseconds. */
const retireMs = 1000;
/** The pauses between attempts that the server refuses, and before the first attempt after a loss, milliseconds. */
const retryPolicy = { factor: 40, maximum: 2000, jitter: true } as const;

/** Tries until it is closed. */
export class RedisLink {
  readonly settings: RedisSettings;
  readonly #events: RedisLinkEvents;
  readonly #closing = new AbortController();
  #client: RedisClient | null = null;
  #endpoint: RedisEndpoint | null = null;
  /** The server that has the keys, as a cluster said. */
  #redirected: RedisEndpoint | null = null;
  readonly #gate: Gate;
  /** The index of the server that is used or tried. */
  #turn = 0;
  #lose: ((error: Error) => void) | null = null;
  #gently = false;
  /** The number of `hold` calls without `release`. */
  #held = 0;
  /** The client, also while it is connecting. */
  #latest: RedisClient | null = null;
  readonly #pause: IdlePause = new IdlePause(false);
  readonly #running: Promise<void>;

  constructor(settings: RedisSettings, events: RedisLinkEvents) {
    this.settings = settings;
    this.#events = events;
    const { endpoints, sentinel, username, password, tls } = settings;
    this.#gate = gateTo('redis', endpoints, sentinel, username, password, tls);
    this.#running = this.#run();
  }

  /** The client that takes commands; null while there is none. */
  get client(): RedisClient | null {
    return this.#client;
  }

  /** The server it is connected to, or was last. */
  get endpoint(): RedisEndpoint | null {
    return this.#endpoint;
  }

  /**
   * Gives this client up and connects another, to `endpoint` if that is known (an empty host: the same as now). `gently`:
   * commands that were sent before may still be answered.
   */
  reset(
    client: RedisClient,
    error: Error,
    { endpoint = null, gently = false }: { endpoint?: RedisEndpoint | null; gently?: boolean } = {},
  ): void {
    if (client !== this.#client) return;
    this.#redirected = onSameHost(endpoint, this.#endpoint);
    if (endpoint === null) this.#gate.pass(this.#turn);
    this.#client = null;
    this.#gently = gently;
    this.#lose?.(error);
  }

  /**
   * Keeps the process alive until {@link release} was called as often: something is awaited of this connection. Without that, a program that has
   * nothing else to do ends.
   */
  hold(): void {
    if (++this.#held === 1) this.#keep(true);
  }

  release(): void {
    if (--this.#held === 0) this.#keep(false);
  }

  async close(): Promise<void> {
    this.hold();
    this.#closing.abort();
    this.#lose?.(new Error('closed'));
    await this.#running;
  }

  #keep(keeps: boolean): void {
    this.#pause.keep(keeps);
    if (keeps) this.#latest?.ref();
    else this.#latest?.unref();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const report = (reason: string): void => {
      if (!signal.aborted) this.#events.onLost(reason);
    };
    const pause = (ms: number, until: AbortSignal): Promise<void> => this.#pause.sleep(ms, until);
    // Not `retrying`: a connection that was made and lost is no failure, and while the server is away the gate sets the pace.
    for (let refusals = 0; !signal.aborted; ) {
      const found: { client: RedisClient | null } = { client: null };
      this.#gently = false;
      try {
        const lost = await this.#gate.attempt(
          { reach: () => this.#reach(found), whyAway, report, pause },
          signal,
        );
        const { client } = found;
        if (signal.aborted || client === null) break;
        refusals = 0;
        this.#client = client;
        this.#events.onReady(client);
        report(reasonOf(await lost.error));
      } catch (error) {
        if (whyAway(error) === null) refusals++;
        this.#redirected = null;
        if (!signal.aborted && classifyRedisError(messageOf(error)).kind !== 'retry')
          this.#gate.pass(this.#turn);
        report(reasonOf(error));
      } finally {
        const { client } = found;
        this.#client = null;
        this.#lose = null;
        if (client?.isOpen) {
          if (this.#gently) retire(client);
          else client.destroy();
        }
      }
      if (!signal.aborted) await this.#pause.sleep(backoffDelay(retryPolicy, refusals), signal);
    }
  }

  /** Connects; the promise within resolves when the connection is lost. */
  async #reach(found: { client: RedisClient | null }): Promise<{ readonly error: Promise<Error> }> {
    const { signal } = this.#closing;
    this.#turn = this.#gate.turn;
    const endpoint = await this.#discover();
    signal.throwIfAborted();
    this.#endpoint = endpoint;
    const lost = deferred<Error>();
    this.#lose = lost.resolve;
    const client = new RedisClient(clientOptions(this.settings, endpoint), lost.resolve);
    found.client = client;
    this.#latest = client;
    if (this.#held === 0) client.unref();
    const refused = lost.promise.then((error) => Promise.reject(error));
    await withDeadline(this.settings.connectTimeoutMs, Promise.race([client.connected(), refused]), () =>
      tooLate(this.settings),
    );
    return { error: lost.promise };
  }

  async #discover(): Promise<RedisEndpoint> {
    if (this.#redirected !== null) return this.#redirected;
    const { endpoints, sentinel } = this.settings;
    if (sentinel === null) return at(endpoints, this.#turn);
    let problem: unknown = null;
    for (let n = 0; n < endpoints.length; n++) {
      const endpoint = at(endpoints, this.#turn + n);
      try {
        const master = await askSentinel(this.settings, endpoint, sentinel.masterName, this.#closing.signal);
        if (master !== null) return master;
        problem = new Error(`${shownEndpoint(endpoint)} knows no master '${sentinel.masterName}'`);
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }
}

/** Ends a client when the answers that are on their way have come, or do not come. */
function retire(client: RedisClient): void {
  client.close();
  setTimeout(() => client.destroy(), retireMs).unref();
}

function tooLate({ connectTimeoutMs }: RedisSettings): Error {
  return new Error(`no answer for ${connectTimeoutMs} ms`);
}

async function askSentinel(
  settings: RedisSettings,
  endpoint: RedisEndpoint,
  masterName: string,
  signal: AbortSignal,
): Promise<RedisEndpoint | null> {
  const client = new RedisClient(clientOptions(settings, endpoint, true));
  const stop = (): void => client.destroy();
  signal.addEventListener('abort', stop);
  try {
    signal.throwIfAborted();
    const asking = client
      .connected()
      .then(() => client.call(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName]));
    const reply = await withDeadline(settings.connectTimeoutMs, asking, () => tooLate(settings));
    if (!Array.isArray(reply)) return null;
    const [host, port] = reply.map(String);
    return host === undefined ? null : { host, port: Number(port) };
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

function onSameHost(to: RedisEndpoint | null, from: RedisEndpoint | null): RedisEndpoint | null {
  if (to === null || 'path' in to || to.host !== '' || from === null || 'path' in from) return to;
  return { host: from.host, port: to.port };
}

function at(endpoints: readonly RedisEndpoint[], turn: number): RedisEndpoint {
  const endpoint = endpoints[turn % endpoints.length];
  if (endpoint === undefined) throw new Error('no server is named');
  return endpoint;
}

/** Why the server lets no connection in, for people; null: it answers, and refuses only something of this connection. */
function whyAway(error: unknown): string | null {
  const isAnswer = error instanceof ErrorReply;
  return isAnswer && classifyRedisError(error.message).kind !== 'reconnect' ? null : reasonOf(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cure } = classifyRedisError(error.message);
  const text = error.message || ('code' in error ? String(error.code) : error.name);
  return cure === '' ? text : `${cure} (${text})`;
}
