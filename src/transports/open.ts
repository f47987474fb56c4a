import { ConfigError } from '../errors.ts';
import { schemeOf, storeAt } from '../lib/store-url.ts';
import type { TransportOptions } from './topology.ts';
import type { Transport } from './transport.ts';

const noOptions: TransportOptions = { queues: [], driver: {} };

/**
 * Opens the transport that a broker URL names, loading only its driver.
 * @throws ConfigError for a scheme that is unknown, and for options that the driver does not know; StoreError or
 * BrokerUnavailable from the driver.
 */
export async function openTransport(url: string, options: TransportOptions = noOptions): Promise<Transport> {
  const scheme = schemeOf(url, 'broker');
  switch (scheme) {
    case 'memory':
      return (await import('./memory/memory-transport.ts')).openMemoryTransport(storeAt(url, 'broker'));
    case 'sqlite':
      return (await import('./sqlite/sqlite-transport.ts')).openSqliteTransport(storeAt(url, 'broker'));
    case 'redis':
    case 'rediss':
    case 'sentinel':
    case 'unix':
    case 'redis+socket':
      return (await import('./redis/redis-transport.ts')).openRedisTransport(url, options);
    case 'amqp':
    case 'amqps':
    case 'pyamqp':
      return (await import('./amqp/amqp-transport.ts')).openAmqpTransport(url, options);
    default:
      throw new ConfigError(
        `broker: '${scheme}://' is unknown; there are sqlite://, redis://, amqp:// and memory://`,
      );
  }
}
