// A client of the library that is made anew whenever it is lost: the way there is looked up each time.
import type { createClient } from '@redis/client';
import { backoffDelay } from '../../lib/backoff.ts';
import { systemClock } from '../../lib/clock.ts';
import { classifyRedisError } from './errors.ts';
import { type RedisEndpoint, type RedisSettings, shownEndpoint } from './settings.ts';

export type RedisClient = ReturnType<typeof createClient>;

/** What the library's `createClient` takes, as plain data. */
export type RedisClientOptions = Readonly<Record<string, unknown>> & { readonly socket: object };

/** For a client at this endpoint. `sentinel`: with the sentinels' own password, and no database. */
export function clientOptions(
  settings: RedisSettings,
  endpoint: RedisEndpoint,
  sentinel = false,
): RedisClientOptions {
  const { tls, db, resp, connectTimeoutMs } = settings;
  const { username, password } = (sentinel ? settings.sentinel : settings) ?? settings;
  const { checkHostname, ...secure } = tls ?? { checkHostname: true };
  return {
    socket: {
      ...endpoint,
      ...('path' in endpoint ? { tls: false } : {}),
      ...(tls !== null && { tls: true, ...secure, ...(!checkHostname && { servername: '' }) }),
      connectTimeout: connectTimeoutMs,
      keepAlive: true,
      noDelay: true,
    },
    RESP: resp,
    disableOfflineQueue: true,
    // The library's default makes an AbortSignal for each command: half of its speed.
    commandOptions: { timeout: undefined },
    ...(!sentinel && { database: db }),
    ...(username !== null && { username }),
    ...(password !== null && { password }),
  };
}

export interface RedisLinkEvents {
  /** A client is there; called before anybody else may use it. */
  onReady(client: RedisClient): void;
  /** The client is gone; `reason` is for people. Called for each attempt that fails, too. */
  onLost(reason: string): void;
}

const patience = { factor: 40, maximum: 1000, jitter: true } as const;

/** Keeps trying until it is closed. */
export class RedisLink {
  readonly settings: RedisSettings;
  readonly #events: RedisLinkEvents;
  readonly #closing = new AbortController();
  #client: RedisClient | null = null;
  #endpoint: RedisEndpoint | null = null;
  /** Where a cluster said the keys are. */
  #redirected: RedisEndpoint | null = null;
  #turn = 0;
  #lose: ((error: Error) => void) | null = null;
  #running: Promise<void>;

  constructor(settings: RedisSettings, events: RedisLinkEvents) {
    this.settings = settings;
    this.#events = events;
    this.#running = this.#run();
  }

  /** Ready to take commands; null while there is none. */
  get client(): RedisClient | null {
    return this.#client;
  }

  /** Where it is connected, or was last. */
  get endpoint(): RedisEndpoint | null {
    return this.#endpoint;
  }

  /** Gives this client up and looks for another, at `endpoint` if that is known. */
  reset(client: RedisClient, error: Error, endpoint: RedisEndpoint | null = null): void {
    if (client !== this.#client) return;
    this.#redirected = endpoint;
    if (endpoint === null) this.#turn++;
    this.#lose?.(error);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#lose?.(new Error('closed'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      let client: RedisClient | null = null;
      try {
        const endpoint = await this.#discover();
        this.#endpoint = endpoint;
        client = await newClient(clientOptions(this.settings, endpoint));
        const lost = new Promise<Error>((resolve) => {
          this.#lose = resolve;
          client?.on('error', resolve);
          client?.on('end', () => resolve(new Error('the connection was closed')));
        });
        await Promise.race([client.connect(), lost.then((error) => Promise.reject(error))]);
        if (signal.aborted) break;
        failures = 0;
        this.#client = client;
        this.#events.onReady(client);
        const error = await lost;
        if (!signal.aborted) this.#events.onLost(reasonOf(error));
      } catch (error) {
        failures++;
        this.#redirected = null;
        if (classifyRedisError(String(error instanceof Error ? error.message : error)).kind !== 'retry')
          this.#turn++;
        if (!signal.aborted) this.#events.onLost(reasonOf(error));
      } finally {
        this.#client = null;
        this.#lose = null;
        if (client?.isOpen) client.destroy();
      }
      if (!signal.aborted)
        await systemClock.sleep(backoffDelay(patience, failures), signal).catch(() => undefined);
    }
  }

  async #discover(): Promise<RedisEndpoint> {
    if (this.#redirected !== null) return this.#redirected;
    const { endpoints, sentinel } = this.settings;
    if (sentinel === null) return at(endpoints, this.#turn);
    let problem: unknown = null;
    for (let n = 0; n < endpoints.length; n++) {
      const endpoint = at(endpoints, this.#turn + n);
      try {
        const master = await askSentinel(this.settings, endpoint, sentinel.masterName);
        if (master !== null) return master;
        problem = new Error(`${shownEndpoint(endpoint)} knows no master '${sentinel.masterName}'`);
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }
}

async function newClient(options: RedisClientOptions): Promise<RedisClient> {
  const { createClient } = await import('@redis/client');
  // Its own reconnecting keeps to one place, and keeps commands whose fate we must know.
  const client = createClient({ ...options, socket: { ...options.socket, reconnectStrategy: false } });
  client.on('error', () => undefined);
  return client as RedisClient; // differs in the protocol's version only
}

async function askSentinel(
  settings: RedisSettings,
  endpoint: RedisEndpoint,
  masterName: string,
): Promise<RedisEndpoint | null> {
  const client = await newClient(clientOptions(settings, endpoint, true));
  const timer = setTimeout(() => client.isOpen && client.destroy(), settings.connectTimeoutMs);
  try {
    await client.connect();
    const reply: unknown = await client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName]);
    if (!Array.isArray(reply)) return null;
    const [host, port] = reply.map(String);
    return host === undefined ? null : { host, port: Number(port) };
  } finally {
    clearTimeout(timer);
    if (client.isOpen) client.destroy();
  }
}

function at(endpoints: readonly RedisEndpoint[], turn: number): RedisEndpoint {
  const endpoint = endpoints[turn % endpoints.length];
  if (endpoint === undefined) throw new Error('no server is named');
  return endpoint;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cure } = classifyRedisError(error.message);
  const text = error.message || ('code' in error ? String(error.code) : error.name);
  return cure === '' ? text : `${cure} (${text})`;
}
