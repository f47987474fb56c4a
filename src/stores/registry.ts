// The table of stores: which there are, what each can do, and what opens it. Every question about a URL is answered here. It is also the
// entry point `umbel/stores` for authors of drivers.
import { existsSync } from 'node:fs';
import { ConfigError } from '../errors.ts';
import type { ResultBackend } from './backend.ts';
import type { HistoryStore } from './history-store.ts';
import type { ScheduleStore } from './schedule-store.ts';
import { schemeOf, storeAt } from './store-url.ts';
import type { TransportOptions } from './topology.ts';
import type { Transport } from './transport.ts';

export { isQuarantined, Quarantine } from './quarantine.ts';

/** A driver's own options, checked by the driver. */
export type DriverOptions = Readonly<Record<string, unknown>>;

/** What a result backend is opened with. */
export interface BackendOptions {
  /** How long records are kept after the task ended, milliseconds; null = for ever. */
  readonly expiresMs: number | null;
  /** Celery's `result_backend_transport_options`. */
  readonly driver?: DriverOptions;
  /** The broker's URL, for a backend that sends results through it. */
  readonly broker?: string;
}

/** A technology that can keep an application's messages, results or schedules. */
export interface Store {
  /** The name of its transport and backend: `redis`. */
  readonly name: string;
  /** Schemes of URLs, in lower case; messages to people name the first. */
  readonly schemes: readonly string[];
  /** The schemes whose connections are encrypted. */
  readonly encrypted?: readonly string[];
  /** It is on this machine: a file, or the memory of this process. If it cannot be opened, waiting does not help. */
  readonly embedded: boolean;
  /** It ends with its process, and other processes cannot see it. */
  readonly ephemeral?: boolean;
  /** Workers of Python Celery may share it. */
  readonly python?: boolean;
  /** Results are messages to the program that asked for them: they are not kept, and no other program can read them. */
  readonly resultsAreMessages?: boolean;
  /** Absent: it is no broker. @throws StoreError, BrokerUnavailable; ConfigError for an unknown option */
  openTransport?(url: string, options: TransportOptions): Promise<Transport>;
  /** Absent: it keeps no results. @throws StoreError, BrokerUnavailable; ConfigError for an unknown option */
  openBackend?(url: string, options: BackendOptions): Promise<ResultBackend>;
  /** Absent: it keeps no schedules. `app`: the name of the application. @throws StoreError, BrokerUnavailable */
  openScheduleStore?(url: string, app: string, driver: DriverOptions): Promise<ScheduleStore>;
  /** Left out: it keeps no history of tasks. @throws StoreError, BrokerUnavailable */
  openHistoryStore?(url: string, driver: DriverOptions): Promise<HistoryStore>;
}

// A driver is loaded only when a URL names it.
const stores: Store[] = [
  {
    name: 'sqlite',
    schemes: ['sqlite'],
    embedded: true,
    openTransport: async (url) =>
      (await import('./sqlite/sqlite-transport.ts')).openSqliteTransport(storeAt(url, 'broker')),
    openBackend: async (url, options) =>
      (await import('./sqlite/sqlite-backend.ts')).openSqliteBackend(storeAt(url, 'backend'), options),
    openScheduleStore: async (url, app) =>
      (await import('./sqlite/sqlite-schedules.ts')).openSqliteScheduleStore(storeAt(url, 'beatStore'), app),
    openHistoryStore: async (url) =>
      (await import('./sqlite/sqlite-history.ts')).openSqliteHistory(storeAt(url, 'historyStore')),
  },
  {
    name: 'redis',
    schemes: ['redis', 'rediss', 'sentinel', 'unix', 'redis+socket'],
    encrypted: ['rediss'],
    embedded: false,
    python: true,
    openTransport: async (url, options) =>
      (await import('./redis/redis-transport.ts')).openRedisTransport(url, options),
    openBackend: async (url, options) =>
      (await import('./redis/redis-backend.ts')).openRedisBackend(url, options),
    openScheduleStore: async (url, app, driver) =>
      (await import('./redis/redis-schedules.ts')).openRedisScheduleStore(url, app, driver),
  },
  {
    name: 'amqp',
    schemes: ['amqp', 'amqps', 'pyamqp'],
    encrypted: ['amqps'],
    embedded: false,
    python: true,
    openTransport: async (url, options) =>
      (await import('./amqp/amqp-transport.ts')).openAmqpTransport(url, options),
  },
  {
    name: 'postgres',
    schemes: ['postgresql', 'postgres', 'db+postgresql'],
    embedded: false,
    openBackend: async (url, options) =>
      (await import('./postgres/postgres-backend.ts')).openPostgresBackend(url, options),
    openScheduleStore: async (url, app, driver) =>
      (await import('./postgres/postgres-schedules.ts')).openPostgresScheduleStore(url, app, driver),
    openHistoryStore: async (url, driver) =>
      (await import('./postgres/postgres-history.ts')).openPostgresHistory(url, driver),
  },
  {
    name: 'rpc',
    schemes: ['rpc'],
    embedded: false,
    python: true,
    resultsAreMessages: true,
    openBackend: async (url, options) =>
      (await import('./amqp/rpc/rpc-backend.ts')).openRpcBackend(url, options),
  },
  {
    name: 'memory',
    schemes: ['memory'],
    embedded: true,
    ephemeral: true,
    openTransport: async (url) =>
      (await import('./memory/memory-transport.ts')).openMemoryTransport(storeAt(url, 'broker')),
    openBackend: async (url, options) =>
      (await import('./memory/memory-backend.ts')).openMemoryBackend(storeAt(url, 'backend'), options),
    openScheduleStore: async (url, app) =>
      (await import('./memory/memory-schedules.ts')).openMemoryScheduleStore(storeAt(url, 'beatStore'), app),
  },
];

/**
 * Registers a store of your own: from now on a URL with one of its schemes may be a broker, a result backend or a `beatStore`.
 * @throws ConfigError for a scheme that is taken
 */
export function registerStore(store: Store): void {
  const taken = store.schemes.find((scheme) => stores.some(({ schemes }) => schemes.includes(scheme)));
  if (taken !== undefined) throw new ConfigError(`the scheme '${taken}://' is taken; give the store another`);
  stores.push(store);
}

/** What each setting needs of its store. */
const needed = {
  broker: 'openTransport',
  backend: 'openBackend',
  beatStore: 'openScheduleStore',
  historyStore: 'openHistoryStore',
} as const;

/**
 * The store that a setting's URL names; of several URLs (`redis://a;redis://b`) the first decides.
 * @throws ConfigError for a value that is no URL, and for a scheme that is unknown or cannot be used for this setting; never shows a password
 */
export function storeOf(url: string, setting: keyof typeof needed): Store {
  const scheme = schemeOf(url, setting);
  const able = stores.filter((store) => store[needed[setting]] !== undefined);
  const store = able.find(({ schemes }) => schemes.includes(scheme));
  if (store !== undefined) return store;
  const known = able.map(({ schemes }) => `${schemes[0]}://`);
  const choice =
    known.length === 1
      ? `there is ${known[0]}`
      : `there are ${known.slice(0, -1).join(', ')} and ${known.at(-1)}`;
  throw new ConfigError(`${setting}: '${scheme}://' is unknown; ${choice}`);
}

/** The store that a URL names, for any use; null: none. */
export function storeNamed(url: string): Store | null {
  const scheme = /^([^:]+):\/\//.exec(url)?.[1]?.toLowerCase();
  return stores.find(({ schemes }) => scheme !== undefined && schemes.includes(scheme)) ?? null;
}

/**
 * Whether a URL names an embedded store that does not exist yet: opening it would make it.
 * @throws ConfigError naming `setting`
 * @internal
 */
export function isMissing(url: string, setting: string): boolean {
  return storeNamed(url)?.name === 'sqlite' && !existsSync(storeAt(url, setting));
}

const noOptions: TransportOptions = { queues: [], driver: {} };

/**
 * Opens the transport that a broker URL names, loading only its driver.
 * @throws ConfigError for an unknown scheme or option; StoreError or
 * BrokerUnavailable from the driver
 */
export async function openTransport(url: string, options: TransportOptions = noOptions): Promise<Transport> {
  return opened(await storeOf(url, 'broker').openTransport?.(url, options));
}

/**
 * Opens the result backend that a URL names, loading only its driver.
 * @throws ConfigError for a scheme that is unknown; StoreError or BrokerUnavailable from the driver.
 */
export async function openBackend(url: string, options: BackendOptions): Promise<ResultBackend> {
  return opened(await storeOf(url, 'backend').openBackend?.(url, options));
}

/** Opens the store of an application's schedules. @throws ConfigError for an unknown scheme; StoreError, BrokerUnavailable */
export async function openScheduleStore(
  url: string,
  app: string,
  driver: DriverOptions = {},
): Promise<ScheduleStore> {
  return opened(await storeOf(url, 'beatStore').openScheduleStore?.(url, app, driver));
}

/** Opens the store of the history of tasks. @throws ConfigError for an unknown scheme; StoreError, BrokerUnavailable */
export async function openHistoryStore(url: string, driver: DriverOptions = {}): Promise<HistoryStore> {
  return opened(await storeOf(url, 'historyStore').openHistoryStore?.(url, driver));
}

// storeOf returns only stores that can.
function opened<T>(store: T | undefined): T {
  if (store === undefined) throw new TypeError('the store was found for what it cannot do');
  return store;
}
