import { ConfigError } from '../errors.ts';
import { schemeOf, storeAt } from '../lib/store-url.ts';
import type { TransportOptions } from './topology.ts';
import type { Transport } from './transport.ts';

const noOptions: TransportOptions = { queues: [], driver: {} };

/** The driver that each scheme means. */
const drivers: ReadonlyMap<string, 'memory' | 'sqlite' | 'redis' | 'amqp'> = new Map([
  ['memory', 'memory'],
  ['sqlite', 'sqlite'],
  ...['redis', 'rediss', 'sentinel', 'unix', 'redis+socket'].map((scheme) => [scheme, 'redis'] as const),
  ...['amqp', 'amqps', 'pyamqp'].map((scheme) => [scheme, 'amqp'] as const),
]);

/** Which driver a broker URL means. @throws ConfigError for a scheme that is unknown */
export function brokerDriver(url: string): 'memory' | 'sqlite' | 'redis' | 'amqp' {
  const scheme = schemeOf(url, 'broker');
  const driver = drivers.get(scheme);
  if (driver !== undefined) return driver;
  throw new ConfigError(
    `broker: '${scheme}://' is unknown; there are sqlite://, redis://, amqp:// and memory://`,
  );
}

/**
 * Opens the transport that a broker URL names, loading only its driver.
 * @throws ConfigError for a scheme that is unknown, and for options that the driver does not know; StoreError or
 * BrokerUnavailable from the driver.
 */
export async function openTransport(url: string, options: TransportOptions = noOptions): Promise<Transport> {
  switch (brokerDriver(url)) {
    case 'memory':
      return (await import('./memory/memory-transport.ts')).openMemoryTransport(storeAt(url, 'broker'));
    case 'sqlite':
      return (await import('./sqlite/sqlite-transport.ts')).openSqliteTransport(storeAt(url, 'broker'));
    case 'redis':
      return (await import('./redis/redis-transport.ts')).openRedisTransport(url, options);
    case 'amqp':
      return (await import('./amqp/amqp-transport.ts')).openAmqpTransport(url, options);
  }
}
