import type { App } from '../../app/app.ts';
import { backendOptions, brokerOptions } from '../../app/driver-options.ts';
import { ConfigError } from '../../errors.ts';
import { schemeOf, storeAt } from '../../lib/store-url.ts';
import type { ScheduleStore } from '../schedule-store.ts';

/**
 * Opens the store of an application's schedules: `beatStore`, else the broker's store, else the result backend's.
 * @throws ConfigError when none of them can keep schedules; StoreError, BrokerUnavailable
 */
export async function openScheduleStore(app: App): Promise<ScheduleStore> {
  const { url, driver } = placeOf(app);
  switch (schemeOf(url, 'beatStore')) {
    case 'memory':
      return (await import('./memory.ts')).openMemoryScheduleStore(storeAt(url, 'beatStore'), app.name);
    case 'sqlite':
      return (await import('./sqlite.ts')).openSqliteScheduleStore(storeAt(url, 'beatStore'), app.name);
    case 'postgresql':
    case 'postgres':
    case 'db+postgresql':
      return (await import('./postgres.ts')).openPostgresScheduleStore(url, app.name, driver);
    default:
      return (await import('./redis.ts')).openRedisScheduleStore(url, app.name, driver);
  }
}

const keepers = /^(?:memory|sqlite|rediss?|sentinel|unix|redis\+socket|postgres(?:ql)?|db\+postgresql):/i;

/** An embedded store beside a broker on a network would be one for each machine, and each would send. */
const networked = /^(?:amqps?|pyamqp|rediss?|sentinel|unix|redis\+socket):/i;

function placeOf(app: App): { readonly url: string; readonly driver: Readonly<Record<string, unknown>> } {
  const { beatStore, broker, backend } = app.config;
  if (beatStore !== null) {
    if (!keepers.test(beatStore))
      throw new ConfigError(
        'beatStore: schedules are kept in sqlite://, redis://, postgresql:// or memory://',
      );
    const driver =
      beatStore === broker
        ? brokerOptions(app.config)
        : beatStore === backend
          ? backendOptions(app.config)
          : {};
    return { url: beatStore, driver };
  }
  if (keepers.test(broker)) return { url: broker, driver: brokerOptions(app.config) };
  if (backend !== null && keepers.test(backend) && (networked.test(backend) || /postgres/i.test(backend)))
    return { url: backend, driver: backendOptions(app.config) };
  throw new ConfigError(
    "this broker cannot keep schedules, and neither can the result backend; set 'beatStore' (sqlite://, redis:// or postgresql://)",
  );
}
