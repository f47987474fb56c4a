// Celery's crontab, with a rule for the days on which daylight saving time begins or ends.
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { suggest } from '../lib/suggest.ts';
import { type CronSet, nextMatch } from './calendar.ts';
import { type CronField, type CronFieldName, fieldText, readField } from './cron-fields.ts';
import { plainContext, type Schedule, type ScheduleContext } from './schedule.ts';
import type { CrontabJson } from './schedule-json.ts';
import { Zone } from './zone.ts';

/** The fields by name. Missing fields are `'*'`, as in Celery: `{ hour: 3 }` is due in each minute of that hour. */
export interface CronFields {
  /** 0 to 59. Default `*`. */
  readonly minute?: CronField;
  /** 0 to 23. Default `*`. */
  readonly hour?: CronField;
  /** 0 to 6, 0 is Sunday; or `mon`, `fri-mon` … */
  readonly dayOfWeek?: CronField;
  /** 1 to 31. Default `*`. */
  readonly dayOfMonth?: CronField;
  /** 1 to 12, or names (`jan`). Default `*`. */
  readonly monthOfYear?: CronField;
  /** Celery's spelling. */
  readonly day_of_week?: CronField;
  /** Celery's spelling of `dayOfMonth`. */
  readonly day_of_month?: CronField;
  /** Celery's spelling of `monthOfYear`. */
  readonly month_of_year?: CronField;
}

/** Options of `crontab` beside its fields. */
export interface CrontabOptions {
  /** `'Europe/Berlin'`; default: the application's `timezone`. */
  readonly timezone?: string;
}

/**
 * A schedule like Celery's crontab: five fields `minute hour day-of-month month day-of-week` as text, or fields by name. **All** fields
 * must match: `0 0 13 * fri` is Friday the 13th.
 *
 * When clocks are moved, a crontab with an hour is due once for each time that it names. A time that the clocks skip is due at the jump
 * (several skipped times: once). A time that the clocks show twice is due the first time only. With `*` as the hour, the crontab follows
 * real time instead: it is due in each real minute whose local time matches.
 * @throws ConfigError that names the field; also for a crontab that is never due, like the 30th of February.
 * @example
 * crontab('30 2 * * mon-fri', { timezone: 'Europe/Berlin' })
 * crontab({ minute: 0, hour: [8, 20] })
 */
export function crontab(spec: string | CronFields = {}, options: CrontabOptions = {}): Crontab {
  const fields = typeof spec === 'string' ? fromText(spec) : fromFields(spec);
  return new Crontab(fields, options.timezone ?? null);
}

/** Times by minute, hour, day and month, as Celery reads them: made by `crontab`. */
export class Crontab implements Schedule {
  /** null: the application's time zone. */
  readonly timezone: string | null;
  readonly #texts: Readonly<Record<CronFieldName, string>>;
  readonly #set: CronSet;
  readonly #followsRealTime: boolean;

  /** @internal */
  constructor(fields: Readonly<Record<CronFieldName, CronField>>, timezone: string | null) {
    if (timezone !== null) Zone.named(timezone);
    this.timezone = timezone;
    this.#texts = mapFields((name) => fieldText(fields[name]));
    this.#set = mapFields((name) => readField(name, fields[name]));
    this.#followsRealTime = this.#set.hour.length === 24;
    if (nextMatch(this.#set, 0) === null)
      throw new ConfigError(`the crontab '${this}' is never due: no such day is in the calendar`);
  }

  /** The first time after this one; null: there is none. */
  next(after: Date, { timezone }: ScheduleContext = plainContext): Date | null {
    const zone = Zone.named(this.timezone ?? timezone);
    const at = Math.floor(after.getTime() / minuteMs) * minuteMs;
    const next = this.#followsRealTime ? this.#nextRealMinute(zone, at) : this.#nextLocalTime(zone, at);
    return next === null ? null : new Date(next);
  }

  toJSON(): CrontabJson {
    const { timezone } = this;
    return { type: 'crontab', ...this.#texts, ...(timezone !== null && { timezone }) };
  }

  /** The five fields as in a crontab file. */
  toString(): string {
    const { minute, hour, dayOfMonth, monthOfYear, dayOfWeek } = this.#texts;
    const fields = `${minute} ${hour} ${dayOfMonth} ${monthOfYear} ${dayOfWeek}`;
    return this.timezone === null ? fields : `${fields} ${this.timezone}`;
  }

  /** Each local time is due once. Later local times never resolve to earlier moments, so the first result after `at` is the next. */
  #nextLocalTime(zone: Zone, at: number): number | null {
    for (let local = at + zone.offset(at); ; local += minuteMs) {
      const match = nextMatch(this.#set, local);
      if (match === null) return null;
      const due = zone.resolve(match);
      // Where clocks were moved in the middle of a minute, as happened long ago, `due` may lie in the current minute.
      if (due > at + minuteMs - 1) return due;
      local = match;
    }
  }

  /** Each real minute whose local time matches is due. */
  #nextRealMinute(zone: Zone, at: number): number | null {
    const horizon = at + horizonMs;
    for (let from = at + minuteMs; from < horizon; ) {
      const { end, offset } = zone.period(from);
      const match = nextMatch(this.#set, from + offset);
      if (match === null) return null;
      const due = match - offset;
      if (due < end) return due;
      // Jumps to the next possible match. Near the end of a period it goes to that end: the next period may repeat local times.
      from = end - from < 2 * dayMs ? end : Math.max(end, due - 2 * dayMs);
    }
    return null;
  }
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
const horizonMs = 42 * 366 * dayMs;

const fieldNames: readonly CronFieldName[] = ['minute', 'hour', 'dayOfWeek', 'dayOfMonth', 'monthOfYear'];

function mapFields<T>(each: (name: CronFieldName) => T): Record<CronFieldName, T> {
  return {
    minute: each('minute'),
    hour: each('hour'),
    dayOfWeek: each('dayOfWeek'),
    dayOfMonth: each('dayOfMonth'),
    monthOfYear: each('monthOfYear'),
  };
}

function fromText(text: string): Record<CronFieldName, CronField> {
  const parts = text.trim().split(/\s+/);
  const [minute, hour, dayOfMonth, monthOfYear, dayOfWeek] = parts;
  if (
    parts.length !== 5 ||
    minute === undefined ||
    hour === undefined ||
    dayOfMonth === undefined ||
    monthOfYear === undefined ||
    dayOfWeek === undefined
  ) {
    throw new ConfigError(
      `crontab: '${text}' has not five fields; write 'minute hour day-of-month month day-of-week', as in '30 2 * * mon'`,
    );
  }
  return { minute, hour, dayOfMonth, monthOfYear, dayOfWeek };
}

function fromFields(given: CronFields): Record<CronFieldName, CronField> {
  const fields: Partial<Record<CronFieldName, CronField>> = {};
  for (const [spelled, value] of Object.entries(given)) {
    const name = fieldNames.find((name) => name === spelled || snake[name] === spelled);
    if (name === undefined) throw new UnknownOptionError(spelled, 'crontab', suggest(spelled, fieldNames));
    if (value !== undefined) fields[name] = value;
  }
  return mapFields((name) => fields[name] ?? '*');
}

const snake: Readonly<Record<CronFieldName, string>> = {
  minute: 'minute',
  hour: 'hour',
  dayOfWeek: 'day_of_week',
  dayOfMonth: 'day_of_month',
  monthOfYear: 'month_of_year',
};
