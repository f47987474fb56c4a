// Opens the store of an application's schedules.
import type { App } from '../app/app.ts';
import { backendOptions, brokerOptions } from '../config/driver-options.ts';
import { ConfigError } from '../errors.ts';
import { openScheduleStore, type Store, storeOf } from '../stores/registry.ts';
import type { ScheduleStore } from '../stores/schedule-store.ts';

/**
 * Opens the store of an application's schedules: `beatStore`, else the broker's store, else the result backend's.
 * @throws ConfigError when none of them can keep schedules; StoreError, BrokerUnavailable
 */
export async function openSchedulesOf({ name, config }: App): Promise<ScheduleStore> {
  const { beatStore, broker, backend } = config;
  if (beatStore !== null) {
    const driver =
      beatStore === broker ? brokerOptions(config) : beatStore === backend ? backendOptions(config) : {};
    return openScheduleStore(beatStore, name, driver);
  }
  if (keepsSchedules(storeOf(broker, 'broker')))
    return openScheduleStore(broker, name, brokerOptions(config));
  // With a broker on a network, an embedded store would be another one on each machine, and each beat would send.
  if (backend !== null) {
    const store = storeOf(backend, 'backend');
    if (keepsSchedules(store) && !store.embedded)
      return openScheduleStore(backend, name, backendOptions(config));
  }
  throw new ConfigError(
    "this broker cannot keep schedules, and neither can the result backend; set 'beatStore' (sqlite://, redis:// or postgresql://)",
  );
}

function keepsSchedules({ openScheduleStore: open }: Store): boolean {
  return open !== undefined;
}
