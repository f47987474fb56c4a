import { ConfigError } from '../errors.ts';
import { schemeOf, storeAt } from '../lib/store-url.ts';
import type { ResultBackend } from './backend.ts';

export interface BackendOptions {
  /** How long records are kept after the task ended, milliseconds; null = for ever. */
  readonly expiresMs: number | null;
  /** The driver's own options (Celery's `result_backend_transport_options`), checked by the driver. */
  readonly driver?: Readonly<Record<string, unknown>>;
  /** The broker's URL, for a backend that sends results through it. */
  readonly broker?: string;
}

type Driver = 'memory' | 'sqlite' | 'redis' | 'postgresql' | 'rpc';

/** The driver that each scheme means. */
const drivers: ReadonlyMap<string, Driver> = new Map([
  ['memory', 'memory'],
  ['sqlite', 'sqlite'],
  ...['redis', 'rediss', 'sentinel', 'unix', 'redis+socket'].map((scheme) => [scheme, 'redis'] as const),
  ...['postgresql', 'postgres', 'db+postgresql'].map((scheme) => [scheme, 'postgresql'] as const),
  ['rpc', 'rpc'],
]);

/** Which driver the URL of a result backend means. @throws ConfigError for a scheme that is unknown */
export function backendDriver(url: string): Driver {
  const scheme = schemeOf(url, 'backend');
  const driver = drivers.get(scheme);
  if (driver !== undefined) return driver;
  throw new ConfigError(
    `backend: '${scheme}://' is unknown; there are sqlite://, redis://, postgresql://, rpc:// and memory://`,
  );
}

/**
 * Opens the result backend that a URL names, loading only its driver.
 * @throws ConfigError for a scheme that is unknown; StoreError or BrokerUnavailable from the driver.
 */
export async function openBackend(url: string, options: BackendOptions): Promise<ResultBackend> {
  switch (backendDriver(url)) {
    case 'memory':
      return (await import('./memory/memory-backend.ts')).openMemoryBackend(storeAt(url, 'backend'), options);
    case 'sqlite':
      return (await import('./sqlite/sqlite-backend.ts')).openSqliteBackend(storeAt(url, 'backend'), options);
    case 'redis':
      return (await import('./redis/redis-backend.ts')).openRedisBackend(url, options);
    case 'postgresql':
      return (await import('./postgres/postgres-backend.ts')).openPostgresBackend(url, options);
    case 'rpc':
      return (await import('./rpc/rpc-backend.ts')).openRpcBackend(url, options);
  }
}
