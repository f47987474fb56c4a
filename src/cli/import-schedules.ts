// Reads schedules of Celery's beat from RedBeat's keys in Redis, and from a beat_schedule as JSON.

import type { BeatScheduleEntry, ScheduledCallOptions, When } from '../config/beat-schedule.ts';
import { fromWireOptions } from '../config/wire-options.ts';
import { isRecord } from '../lib/narrow.ts';
import { type CronFields, crontab } from '../schedules/crontab.ts';
import { every } from '../schedules/every.ts';
import { type SolarEvent, solar } from '../schedules/solar.ts';
import { RedisConnection } from '../stores/redis/client/connection.ts';
import { redisSettings } from '../stores/redis/client/settings.ts';
import { UsageError } from './usage.ts';

/** An entry, or the reason why it cannot be imported. */
export interface Imported {
  readonly name: string;
  readonly entry: BeatScheduleEntry | string;
}

type Json = Readonly<Record<string, unknown>>;

/** Reads Celery's map. A schedule is a number of seconds, a crontab as text, or an object in RedBeat's form. */
export function readCelerySchedule(json: unknown): readonly Imported[] {
  if (!isRecord(json)) throw new UsageError('a beat_schedule is a JSON object with one entry per name');
  return Object.entries(json).map(([name, entry]) => ({ name, entry: readEntry(entry) }));
}

/** Reads the entries of a RedBeat. */
export async function readRedBeat(url: string, prefix: string): Promise<readonly Imported[]> {
  await using connection = await RedisConnection.open(redisSettings(url, '--redbeat'));
  const imported: Imported[] = [];
  for (const key of await entryKeys(connection, prefix)) {
    const definition = await definitionAt(connection, key);
    if (definition === null) continue;
    const name = typeof definition.name === 'string' ? definition.name : key.slice(prefix.length);
    imported.push({ name, entry: readEntry(definition) });
  }
  return imported;
}

/** Sets `enabled` to false in the definitions, which RedBeat reads each time before it sends. */
export async function disableInRedBeat(url: string, prefix: string, names: readonly string[]): Promise<void> {
  await using connection = await RedisConnection.open(redisSettings(url, '--redbeat'));
  for (const name of names) {
    const definition = await definitionAt(connection, prefix + name);
    if (definition === null) continue;
    const disabled = JSON.stringify({ ...definition, enabled: false });
    await connection.call(['HSET', prefix + name, 'definition', disabled]);
  }
}

/** The keys of RedBeat's entries, which it keeps in a sorted set by due time. */
async function entryKeys(connection: RedisConnection, prefix: string): Promise<readonly string[]> {
  const keys = await connection.call(['ZRANGE', `${prefix}:schedule`, '0', '-1']);
  return Array.isArray(keys) ? keys.map(String) : [];
}

async function definitionAt(connection: RedisConnection, key: string): Promise<Json | null> {
  const text = await connection.call(['HGET', key, 'definition']);
  if (typeof text !== 'string') return null;
  try {
    const definition: unknown = JSON.parse(text);
    return isRecord(definition) ? definition : null;
  } catch {
    return null;
  }
}

function readEntry(given: unknown): BeatScheduleEntry | string {
  if (!isRecord(given)) return 'it is not an object';
  const { task, args, kwargs, options, enabled } = given;
  if (typeof task !== 'string') return 'it names no task';
  try {
    return {
      task,
      schedule: readSchedule(given.schedule, given.relative === true),
      ...(Array.isArray(args) && { args }),
      ...(isRecord(kwargs) && { kwargs }),
      ...(isRecord(options) && { options: readOptions(task, options) }),
      ...(enabled === false && { enabled: false }),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function readSchedule(given: unknown, relative: boolean): When {
  if (typeof given === 'number') return every(given, { relative });
  if (typeof given === 'string') return crontab(given);
  if (!isRecord(given))
    throw new UsageError('its schedule must be a number of seconds, a crontab or an object');
  const { __type__: type, ...rest } = given;
  switch (type) {
    case 'interval':
      return every(Number(rest.every), { relative: relative || rest.relative === true });
    case 'crontab':
      return crontab(rest as CronFields); // crontab() checks the fields
    case 'solar':
      return solar(rest.event as SolarEvent, Number(rest.lat), Number(rest.lon)); // solar() checks the values
    default:
      throw new UsageError(
        `schedules of the type '${String(type)}' are unknown; known are interval, crontab and solar`,
      );
  }
}

/** Options by Celery's names. Others have no effect here, such as objects of kombu for a queue. */
function readOptions(task: string, options: Json): ScheduledCallOptions {
  const { schedule: _, ...given } = options;
  return fromWireOptions(task, given);
}
