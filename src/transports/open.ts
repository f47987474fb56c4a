import { ConfigError } from '../errors.ts';
import { parseStoreUrl } from '../lib/store-url.ts';
import type { Transport } from './transport.ts';

/** Schemes that Celery's users will try, and that come later. */
const notYet: ReadonlySet<string> = new Set(['redis', 'rediss', 'sentinel', 'amqp', 'amqps', 'pyamqp']);

/**
 * Opens the transport that a broker URL names, loading only its driver.
 * @throws ConfigError for a scheme that is unknown; StoreError or BrokerUnavailable from the driver.
 */
export async function openTransport(url: string): Promise<Transport> {
  const { scheme, rest } = parseStoreUrl(url, 'broker');
  switch (scheme) {
    case 'memory':
      return (await import('./memory/memory-transport.ts')).openMemoryTransport(rest);
    case 'sqlite':
      if (rest === '')
        throw new ConfigError("broker: 'sqlite://' needs a path, as in 'sqlite://.umbel/store.db'");
      return (await import('./sqlite/sqlite-transport.ts')).openSqliteTransport(rest);
    default:
      throw new ConfigError(
        `broker: '${scheme}://' is ${notYet.has(scheme) ? 'not in this version' : 'unknown'}; there are sqlite:// and memory://`,
      );
  }
}
