// The one table of stores: which there are, what each can do, and what opens it. Who wants to know something of a URL asks here. It is the
// entry point `umbel/stores`, too, for authors of drivers.
import { ConfigError } from '../errors.ts';
import type { ResultBackend } from './backend.ts';
import type { ScheduleStore } from './schedule-store.ts';
import { schemeOf, storeAt } from './store-url.ts';
import type { TransportOptions } from './topology.ts';
import type { Transport } from './transport.ts';

export { isQuarantined, Quarantine } from './quarantine.ts';

/** A driver's own options, checked by the driver. */
export type DriverOptions = Readonly<Record<string, unknown>>;

export interface BackendOptions {
  /** How long records are kept after the task ended, milliseconds; null = for ever. */
  readonly expiresMs: number | null;
  /** Celery's `result_backend_transport_options`. */
  readonly driver?: DriverOptions;
  /** The broker's URL, for a backend that sends results through it. */
  readonly broker?: string;
}

/** A technology that an application's messages, results or schedules may be kept in. */
export interface Store {
  /** As its transport and backend are named: `redis`. */
  readonly name: string;
  /** Schemes of URLs, in lower case; the first is the one that messages name. */
  readonly schemes: readonly string[];
  /** Those of `schemes` whose connections are encrypted. */
  readonly encrypted?: readonly string[];
  /** It is on this machine: a file, or the memory of this process. What cannot be opened then will not mend itself. */
  readonly embedded: boolean;
  /** It ends with its process, and no other process sees it. */
  readonly ephemeral?: boolean;
  /** Workers of Python Celery may share it. */
  readonly python?: boolean;
  /** Results are messages to the program that asked for them: none is kept, and no other program can read it. */
  readonly resultsAreMessages?: boolean;
  /** Left out: it is no broker. @throws StoreError, BrokerUnavailable; ConfigError for options that it does not know */
  openTransport?(url: string, options: TransportOptions): Promise<Transport>;
  /** Left out: it keeps no results. @throws StoreError, BrokerUnavailable; ConfigError for options that it does not know */
  openBackend?(url: string, options: BackendOptions): Promise<ResultBackend>;
  /** Left out: it keeps no schedules. `app`: the application whose schedules they are. @throws StoreError, BrokerUnavailable */
  openScheduleStore?(url: string, app: string, driver: DriverOptions): Promise<ScheduleStore>;
}

// Each driver is loaded when a URL names it, and no other.
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
 * Makes a store of your own known: from now on a URL with one of its schemes may be a broker, a result backend or a `beatStore`.
 * @throws ConfigError for a scheme that is taken
 */
export function registerStore(store: Store): void {
  const taken = store.schemes.find((scheme) => stores.some(({ schemes }) => schemes.includes(scheme)));
  if (taken !== undefined) throw new ConfigError(`the scheme '${taken}://' is taken; give the store another`);
  stores.push(store);
}

/** What a setting needs of its store. */
const needed = {
  broker: 'openTransport',
  backend: 'openBackend',
  beatStore: 'openScheduleStore',
} as const;

/**
 * The store that the value of a setting names; of several URLs (`redis://a;redis://b`) that of the first.
 * @throws ConfigError for what is no URL, and for a scheme that is unknown or cannot be what the setting needs: it never shows a password
 */
export function storeOf(url: string, setting: keyof typeof needed): Store {
  const scheme = schemeOf(url, setting);
  const able = stores.filter((store) => store[needed[setting]] !== undefined);
  const store = able.find(({ schemes }) => schemes.includes(scheme));
  if (store !== undefined) return store;
  const known = able.map(({ schemes }) => `${schemes[0]}://`);
  throw new ConfigError(
    `${setting}: '${scheme}://' is unknown; there are ${known.slice(0, -1).join(', ')} and ${known.at(-1)}`,
  );
}

/** The same for a URL of which it is not known what it is for; null: of no store. */
export function storeNamed(url: string): Store | null {
  const scheme = /^([^:]+):\/\//.exec(url)?.[1]?.toLowerCase();
  return stores.find(({ schemes }) => scheme !== undefined && schemes.includes(scheme)) ?? null;
}

const noOptions: TransportOptions = { queues: [], driver: {} };

/**
 * Opens the transport that a broker URL names, loading only its driver.
 * @throws ConfigError for a scheme that is unknown, and for options that the driver does not know; StoreError or
 * BrokerUnavailable from the driver.
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

/** Opens the store of an application's schedules. @throws ConfigError for a scheme that is unknown; StoreError, BrokerUnavailable */
export async function openScheduleStore(
  url: string,
  app: string,
  driver: DriverOptions = {},
): Promise<ScheduleStore> {
  return opened(await storeOf(url, 'beatStore').openScheduleStore?.(url, app, driver));
}

// storeOf finds only those that can.
function opened<T>(store: T | undefined): T {
  if (store === undefined) throw new TypeError('the store was found for what it cannot do');
  return store;
}
