// The form of a schedule: its values as a user types them, what is wrong with each, and the schedule that they mean.
import { z } from 'zod';
import { resolvePolicy, type ScheduleOptions } from '../../../app/schedule.ts';
import type { ScheduleInfo, Schedules } from '../../../beat/beat.ts';
import type { ScheduledCall, ScheduledCallOptions } from '../../../config/beat-schedule.ts';
import { checkCallOptions } from '../../../config/call-options.ts';
import { checkName } from '../../../config/checks.ts';
import { UmbelError } from '../../../errors.ts';
import { type Duration, readDuration } from '../../../lib/duration.ts';
import { isRecord } from '../../../lib/narrow.ts';
import { encodeJson } from '../../../protocol/json.ts';
import { crontab } from '../../../schedules/crontab.ts';
import { every, intervalText } from '../../../schedules/every.ts';
import type { Schedule } from '../../../schedules/schedule.ts';
import { type SolarEvent, solar } from '../../../schedules/solar.ts';
import { Zone } from '../../../schedules/zone.ts';
import { plainText } from './checked.ts';

const line = plainText(512).default('');
const json = z.string().max(100_000).default('');

/** All but the choices is text, as it was typed. Empty: the default. */
export const scheduleForm = z.object({
  name: plainText(512),
  kind: z.enum(['every', 'crontab', 'solar']),
  /** Of `every`: seconds, or like `10m`. */
  interval: line,
  /** Of `every`: counts by the clock, not from the time at which the schedule is added. */
  relative: z.boolean().default(false),
  /** The five fields of a crontab. */
  crontab: line,
  /** Of a crontab. Empty: the application's. */
  timezone: line,
  event: line,
  latitude: line,
  longitude: line,
  task: line,
  /** JSON. */
  args: json,
  kwargs: json,
  queue: line,
  /** A duration after which a run that no worker took is not run. */
  expires: line,
  missed: z.enum(['last', 'all', 'skip']).default('last'),
  missedLimit: line,
  startingDeadline: line,
  overlap: z.enum(['allow', 'skip', 'queue']).default('allow'),
  jitter: line,
});

export type ScheduleForm = z.output<typeof scheduleForm>;

/** What is wrong with a value of the form. */
export interface FormFault {
  readonly field: keyof ScheduleForm;
  readonly message: string;
}

interface ReadForm {
  readonly faults: readonly FormFault[];
  /** Null: its values are wrong. */
  readonly schedule: Schedule | null;
  readonly call: ScheduledCall;
  readonly options: ScheduleOptions;
}

/** Reads all fields, also after a wrong one. `kept`: options of the call that the form does not have. */
export function readForm(form: ScheduleForm, kept: ScheduledCallOptions = {}): ReadForm {
  const faults: FormFault[] = [];
  const tried = <Value>(field: keyof ScheduleForm, read: () => Value): Value | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UmbelError)) throw error;
      faults.push({ field, message: error.message });
      return undefined;
    }
  };
  const fault = (field: keyof ScheduleForm, message: string): undefined => {
    faults.push({ field, message });
    return undefined;
  };
  tried('name', () => checkName(form.name.trim(), "a schedule's name"));
  const schedule = readWhen(form, tried, fault) ?? null;
  tried('task', () => checkName(form.task.trim(), 'the task'));
  const args = readJson(form.args, '[]', (message) => fault('args', message));
  if (args !== undefined && !Array.isArray(args)) fault('args', 'this must be a JSON list, like [1, "two"]');
  const kwargs = readJson(form.kwargs, '{}', (message) => fault('kwargs', message));
  if (kwargs !== undefined && !isRecord(kwargs))
    fault('kwargs', 'this must be a JSON object, like {"name": "value"}');
  const { queue: _, expires: __, ...others } = kept;
  const call: ScheduledCallOptions = {
    ...others,
    ...(form.queue.trim() !== '' && { queue: form.queue.trim() }),
    ...(form.expires.trim() !== '' && {
      expires: tried('expires', () => durationOf(form.expires, 'the time after which a run expires')) ?? 0,
    }),
  };
  tried('queue', () =>
    checkCallOptions(form.task, { ...(call.queue !== undefined && { queue: call.queue }) }),
  );
  const policy = {
    missed: form.missed,
    overlap: form.overlap,
    ...(form.missedLimit.trim() !== '' && { missedLimit: Number(form.missedLimit) }),
    ...(form.startingDeadline.trim() !== '' && {
      startingDeadline:
        form.startingDeadline.trim() === 'none'
          ? null
          : (tried('startingDeadline', () => durationOf(form.startingDeadline, 'the deadline')) ?? null),
    }),
    ...(form.jitter.trim() !== '' && {
      jitter: tried('jitter', () => durationOf(form.jitter, 'the random delay')) ?? 0,
    }),
  };
  for (const field of ['missedLimit', 'startingDeadline', 'jitter'] as const)
    if (policy[field] !== undefined)
      tried(field, () => resolvePolicy({ [field]: policy[field] }, 'the schedule'));
  return {
    faults,
    schedule,
    call: {
      task: form.task.trim(),
      args: Array.isArray(args) ? args : [],
      kwargs: isRecord(kwargs) ? kwargs : {},
      options: call,
    },
    options: policy,
  };
}

type Try = <Value>(field: keyof ScheduleForm, read: () => Value) => Value | undefined;

function readWhen(
  form: ScheduleForm,
  tried: Try,
  fault: (field: keyof ScheduleForm, message: string) => undefined,
): Schedule | undefined {
  switch (form.kind) {
    case 'every':
      if (form.interval.trim() === '') return fault('interval', 'give seconds, or a duration like 10m');
      return tried('interval', () =>
        every(durationOf(form.interval, 'the interval'), { relative: form.relative }),
      );
    case 'crontab': {
      if (form.crontab.trim() === '')
        return fault('crontab', 'give five fields: minute, hour, day of the month, month, day of the week');
      const timezone = form.timezone.trim();
      if (timezone !== '' && tried('timezone', () => Zone.named(timezone)) === undefined) return undefined;
      return tried('crontab', () => crontab(form.crontab, timezone === '' ? {} : { timezone }));
    }
    case 'solar': {
      const [latitude, longitude] = [degrees(form.latitude), degrees(form.longitude)];
      if (Number.isNaN(latitude) || Math.abs(latitude) > 90)
        return fault('latitude', 'give degrees north, from -90 to 90');
      if (Number.isNaN(longitude) || Math.abs(longitude) > 180)
        return fault('longitude', 'give degrees east, from -180 to 180');
      // solar() checks the event.
      return tried('event', () => solar(form.event as SolarEvent, latitude, longitude));
    }
  }
}

/** @throws ConfigError */
function durationOf(text: string, what: string): Duration {
  const given = text.trim();
  return readDuration(/^\d+(?:\.\d+)?$/.test(given) ? Number(given) : given, what);
}

function degrees(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function readJson(text: string, empty: string, fault: (message: string) => undefined): unknown {
  try {
    return JSON.parse(text.trim() === '' ? empty : text);
  } catch (error) {
    return fault(`this is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What is wrong with the form, and when the schedule would be due. `taken`: names that the form must not have. */
export async function checkForm(
  schedules: Schedules,
  form: ScheduleForm,
  taken: ReadonlySet<string>,
): Promise<{ readonly faults: readonly FormFault[]; readonly next: readonly number[] }> {
  const { schedule, call, options, ...read } = readForm(form);
  const faults = [...read.faults];
  const name = form.name.trim();
  if (taken.has(name)) faults.push({ field: 'name', message: 'a schedule of this name exists already' });
  if (schedule !== null && faults.length === 0) {
    try {
      schedules.check(name, schedule, call, options);
    } catch (error) {
      if (!(error instanceof UmbelError)) throw error;
      faults.push({ field: form.overlap === 'allow' ? 'task' : 'overlap', message: error.message });
    }
  }
  const next = schedule === null ? [] : await schedules.nextRuns(schedule, shownRuns, name);
  return { faults, next: next.map((due) => due.getTime()) };
}

/** How many of the next runs the form shows. */
const shownRuns = 10;

/** Why the form cannot change this schedule; null: it can. */
export function whyFixed(info: ScheduleInfo): string | null {
  const { fromCode, isSignature, when } = info;
  if (fromCode)
    return 'The code of the application declares it, and each beat that starts puts it back: change it there. It can be paused here.';
  if (isSignature) return 'It sends a workflow, which only code can change: schedules.change(…).';
  if (when === null) return 'Its times are a class of the application’s code: change it there.';
  const call = encodeJson([info.args, info.kwargs]);
  if (encodeJson(JSON.parse(JSON.stringify([info.args, info.kwargs]))) !== call)
    return 'Its arguments have values that JSON has not, such as dates: change it by code, schedules.change(…).';
  return null;
}

/** The form with the values of a schedule that {@link whyFixed} allows to change. */
export function formOf({ name, task, when, args, kwargs, options, policy }: ScheduleInfo): ScheduleForm {
  const { missed, missedLimit, startingDeadlineMs, overlap, jitterMs } = policy;
  return {
    ...emptyForm,
    ...timesOf(when),
    name,
    task,
    args: JSON.stringify(args),
    kwargs: JSON.stringify(kwargs),
    queue: options.queue ?? '',
    expires: options.expires === undefined || options.expires instanceof Date ? '' : String(options.expires),
    missed,
    missedLimit: String(missedLimit),
    startingDeadline:
      startingDeadlineMs === null ? (missed === 'skip' ? 'none' : '') : intervalText(startingDeadlineMs),
    overlap,
    jitter: jitterMs === 0 ? '' : intervalText(jitterMs),
  };
}

const emptyForm: ScheduleForm = scheduleForm.parse({ name: '', kind: 'every' });

function timesOf(when: ScheduleInfo['when']): Partial<ScheduleForm> {
  switch (when?.type) {
    case 'every':
      return { kind: 'every', interval: intervalText(when.every * 1000), relative: when.relative };
    case 'crontab': {
      const { minute, hour, dayOfMonth, monthOfYear, dayOfWeek, timezone = '' } = when;
      return {
        kind: 'crontab',
        crontab: `${minute} ${hour} ${dayOfMonth} ${monthOfYear} ${dayOfWeek}`,
        timezone,
      };
    }
    case 'solar': {
      const { event, latitude, longitude } = when;
      return { kind: 'solar', event, latitude: String(latitude), longitude: String(longitude) };
    }
    default:
      return {};
  }
}
