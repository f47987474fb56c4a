// Schedules as data, as stores keep them.
import { ConfigError } from '../errors.ts';
import type { CronField } from './cron-fields.ts';
import { crontab } from './crontab.ts';
import { every } from './every.ts';
import type { Schedule } from './schedule.ts';
import { type SolarEvent, solar } from './solar.ts';

export interface EveryJson {
  readonly type: 'every';
  /** Seconds. */
  readonly every: number;
  readonly relative: boolean;
}

export interface CrontabJson {
  readonly type: 'crontab';
  readonly minute: string;
  readonly hour: string;
  readonly dayOfWeek: string;
  readonly dayOfMonth: string;
  readonly monthOfYear: string;
  /** Missing: the application's time zone. */
  readonly timezone?: string;
}

export interface SolarJson {
  readonly type: 'solar';
  readonly event: SolarEvent;
  readonly latitude: number;
  readonly longitude: number;
}

/** A schedule as data, as stores keep it. */
export type ScheduleJson = EveryJson | CrontabJson | SolarJson;

/**
 * Makes a schedule from its data.
 * @throws ConfigError when the data is not a schedule.
 */
export function scheduleFromJson(json: unknown): Schedule {
  if (typeof json !== 'object' || json === null || !('type' in json))
    throw new ConfigError("a schedule as data is an object like { type: 'every', every: 60 }");
  const given: Readonly<Record<string, unknown>> = { ...json };
  switch (given.type) {
    case 'every':
      return every(number(given, 'every'), { relative: given.relative === true });
    case 'crontab': {
      const { timezone } = given;
      return crontab(
        {
          minute: field(given, 'minute'),
          hour: field(given, 'hour'),
          dayOfWeek: field(given, 'dayOfWeek'),
          dayOfMonth: field(given, 'dayOfMonth'),
          monthOfYear: field(given, 'monthOfYear'),
        },
        typeof timezone === 'string' ? { timezone } : {},
      );
    }
    case 'solar':
      // solar() checks the event.
      return solar(given.event as SolarEvent, number(given, 'latitude'), number(given, 'longitude'));
    default:
      throw new ConfigError(
        `'${String(given.type)}' is no type of schedule; there are every, crontab and solar`,
      );
  }
}

function number(json: Readonly<Record<string, unknown>>, name: string): number {
  const value = json[name];
  if (typeof value === 'number') return value;
  throw new ConfigError(`'${name}' of a schedule must be a number`);
}

function field(json: Readonly<Record<string, unknown>>, name: string): CronField {
  const value = json[name];
  if (value === undefined) return '*';
  if (typeof value === 'string' || typeof value === 'number') return value;
  throw new ConfigError(`'${name}' of a crontab must be text or a number`);
}
