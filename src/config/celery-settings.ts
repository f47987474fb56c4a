// The names of settings in both spellings, Celery's and ours, and Celery's settings that Umbel has not.
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../errors.ts';
import type { Field } from '../lib/schema.ts';
import { suggest } from '../lib/suggest.ts';
import { celeryDefaults } from './celery-defaults.ts';
import type { Settings } from './config.ts';
import { settings } from './settings.ts';
import { camel, snake } from './spelling.ts';

/** `taskDefaultQueue` as Celery writes it: `task_default_queue`. */
type Snake<Name extends string> = Name extends `${infer Head}${infer Tail}`
  ? `${Head extends Uppercase<Head> ? `_${Lowercase<Head>}` : Head}${Snake<Tail>}`
  : Name;

/** The settings in Celery's spelling. */
export type CelerySpelling<S extends { readonly broker: unknown; readonly backend: unknown }> = {
  readonly [Name in Exclude<keyof S & string, 'broker' | 'backend'> as Snake<Name>]?: S[Name];
} & {
  readonly broker_url?: S['broker'];
  readonly result_backend?: S['backend'];
  /** Celery's name for `broker`. */
  readonly brokerUrl?: S['broker'];
  /** Celery's name for `backend`. */
  readonly resultBackend?: S['backend'];
};

/**
 * The setting of a name in our spelling or Celery's. `null`: a setting of Celery's that has no effect here, and whose value is its only
 * supported value or Celery's default.
 * @throws ConfigError for a setting of Celery's that Umbel does not have, and for an unknown setting.
 */
export function settingNamed(spelled: string, value: unknown): keyof Settings | null {
  const name = spelled.includes('_') ? camel(spelled) : spelled;
  const ours = supported.get(name);
  if (ours !== undefined) return value === null && settings[ours].notes.nullMeansUnset ? null : ours;
  if (defaults.has(name) && isDeepStrictEqual(value, defaults.get(name))) return null;
  const fixed = fixedSettings.get(name);
  if (fixed !== undefined) {
    if (value === undefined || fixed.value === value) return null;
    throw new ConfigError(`the setting '${spelled}' can only be ${String(fixed.value)} here: ${fixed.why}`);
  }
  const instead = otherwise.get(name);
  if (instead !== undefined) throw new ConfigError(`the setting '${spelled}' is not used here: ${instead}`);
  if (defaults.has(name) || otherBackends.test(snake(name)))
    throw new ConfigError(`the setting '${spelled}' of Celery is not supported; remove it`);
  const hint = suggest(spelled, spelled.includes('_') ? [...supported.keys()].map(snake) : supported.keys());
  throw new ConfigError(`unknown setting '${spelled}'${hint ? `; did you mean '${hint}'?` : ''}`);
}

const rows = Object.entries(settings) as [keyof Settings, Field<unknown>][]; // its own members

/** Our settings, by our name and by Celery's name where that differs. A name with `_` is changed to camel case before the look-up. */
const supported: ReadonlyMap<string, keyof Settings> = new Map(
  rows.flatMap(([name, { notes }]) => [
    [name, name] as const,
    ...(notes.celery === undefined ? [] : [[camel(notes.celery), name] as const]),
  ]),
);

/** Settings of Celery's that many configurations have, and whose usual value describes what Umbel does anyway. */
const fixedSettings: ReadonlyMap<string, { readonly value: unknown; readonly why: string }> = new Map([
  ['enableUtc', { value: true, why: 'times are always sent in UTC' }],
  ['taskProtocol', { value: 2, why: 'messages are sent in protocol 2; both 1 and 2 are read' }],
  [
    'resultBackendAlwaysRetry',
    { value: true, why: 'a worker retries each refused write of a result until it succeeds' },
  ],
  ['resultSerializer', { value: 'json', why: 'results are kept as JSON' }],
  [
    'taskDefaultDeliveryMode',
    { value: 2, why: 'messages are persistent; for a single call use { deliveryMode: 1 }' },
  ],
  ['brokerConnectionRetry', { value: true, why: 'a worker waits for its broker' }],
  ['brokerConnectionRetryOnStartup', { value: true, why: 'a worker waits for its broker' }],
  ['taskPublishRetry', { value: true, why: 'for a single call use { retry: false }' }],
  [
    'workerEnableSoftShutdownOnIdle',
    { value: false, why: 'an idle worker holds nothing that it could wait for' },
  ],
  [
    'workerDeduplicateSuccessfulTasks',
    { value: true, why: 'a task whose result is recorded is not run again' },
  ],
]);

/** Settings of Celery's for which Umbel has another name, another place or another rule. */
const otherwise: ReadonlyMap<string, string> = new Map([
  ['imports', "use 'include'"],
  ['brokerReadUrl', "use 'broker'"],
  ['brokerWriteUrl', "use 'broker'"],
  ['resultCompression', 'results are kept as they are'],
  [
    'resultBackendMaxRetries',
    'a worker retries each refused write of a result until it succeeds or the worker has lost the task',
  ],
  ['taskAnnotations', 'use the options of the task'],
  ['taskPublishRetryPolicy', 'use the option of the call: { retryPolicy }'],
  [
    'workerAutoscaler',
    'there is only one; its bounds are workerAutoscale: { max: 10, min: 2 }, or --autoscale 10,2',
  ],
  ['beatScheduler', 'schedules are kept in a store, and changed while beats run: see beatStore'],
  ['beatScheduleFilename', "schedules are kept in a store: use 'beatStore'"],
  ['beatSyncEvery', 'each run is recorded when it is sent'],
  ['beatMaxLoopInterval', 'a change is in effect within two seconds'],
  ['beatCronStartingDeadline', 'use the option of the schedule: { startingDeadline }'],
  ['redisMaxConnections', 'a process needs few connections, however many tasks it sends or runs'],
  ['redisRetryOnTimeout', 'requests that are safe to repeat are retried'],
  ['redisSocketKeepalive', 'connections are watched'],
  ['redisBackendHealthCheckInterval', 'connections are watched'],
]);

/** By name, in our spelling. */
const defaults: ReadonlyMap<string, unknown> = new Map(
  Object.entries(celeryDefaults).map(([name, value]) => [camel(name), value]),
);

/** Settings of stores that Umbel does not have, by their first word. */
const otherBackends =
  /^(redis|database|cache|mongodb|couchbase|arangodb|elasticsearch|cassandra|s3|azureblockblob|gcs|cosmosdbsql)_/;
