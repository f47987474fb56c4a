// Schedules that are declared in code: what an application sends without being asked, and when.

import {
  type BeatSchedule,
  type BeatScheduleEntry,
  ofOneCall,
  type ScheduledCall,
  type ScheduledCallOptions,
  type SchedulePolicy,
  schedulePolicy,
  type When,
} from '../config/beat-schedule.ts';
import { checkCallOptions } from '../config/call-options.ts';
import { checkName } from '../config/checks.ts';
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { readDuration } from '../lib/duration.ts';
import { readOptions } from '../lib/schema.ts';
import { suggest } from '../lib/suggest.ts';
import { encodeJson } from '../protocol/json.ts';
import type { WireSignature } from '../protocol/message.ts';
import { crontab } from '../schedules/crontab.ts';
import { every } from '../schedules/every.ts';
import type { Schedule } from '../schedules/schedule.ts';
import { checkShape } from '../sending/arguments.ts';
import { resultId } from '../workflow/freeze.ts';
import { isSignature, type Signature } from './signature.ts';
import type { AnyTask } from './task.ts';

/** A task without arguments, a call, or a signature (of one task, or of a workflow) with all of its arguments. */
export type Scheduled = string | AnyTask | ScheduledCall | Signature<[], unknown>;

/** Options of `app.schedule`: the rules of the schedule, and those of the calls that it sends. */
export interface ScheduleOptions extends SchedulePolicy, ScheduledCallOptions {
  /** Arguments for a task that is named without any. */
  readonly args?: ScheduledCall['args'];
  /** Keyword arguments of each run, or a function that makes them. */
  readonly kwargs?: ScheduledCall['kwargs'];
}

/** The policy of a schedule, with all defaults. */
export interface ResolvedPolicy {
  readonly missed: 'last' | 'all' | 'skip';
  readonly missedLimit: number;
  readonly startingDeadlineMs: number | null;
  readonly overlap: 'allow' | 'skip' | 'queue';
  readonly jitterMs: number;
}

/** A declared schedule, checked. */
export interface DeclaredSchedule {
  readonly name: string;
  readonly schedule: Schedule;
  readonly call:
    | {
        readonly kind: 'task';
        readonly task: string;
        readonly args: NonNullable<ScheduledCall['args']>;
        readonly kwargs: NonNullable<ScheduledCall['kwargs']>;
        readonly options: ScheduledCallOptions;
      }
    | {
        readonly kind: 'signature';
        readonly signature: WireSignature;
        readonly options: ScheduledCallOptions;
      };
  readonly policy: ResolvedPolicy;
  readonly enabled: boolean;
}

/** The schedules that an application's code declares, by name. */
export class DeclaredSchedules {
  readonly #entries = new Map<string, DeclaredSchedule>();

  /** @throws ConfigError */
  constructor(beatSchedule: BeatSchedule | null) {
    for (const [name, entry] of Object.entries(beatSchedule ?? {})) this.add(declareEntry(name, entry));
  }

  /** @throws ConfigError when the name is taken. */
  add(declared: DeclaredSchedule): void {
    if (this.#entries.has(declared.name))
      throw new ConfigError(
        `a schedule named '${declared.name}' is already declared; give one of the two another name`,
      );
    this.#entries.set(declared.name, declared);
  }

  get(name: string): DeclaredSchedule | undefined {
    return this.#entries.get(name);
  }

  get size(): number {
    return this.#entries.size;
  }

  [Symbol.iterator](): Iterator<DeclaredSchedule> {
    return this.#entries.values();
  }
}

/**
 * Checks a schedule.
 * @throws ConfigError, UnknownOptionError, NotSerializableError
 */
export function declareSchedule(
  name: string,
  when: When,
  scheduled: Scheduled,
  options: ScheduleOptions = {},
): DeclaredSchedule {
  checkName(name, "a schedule's name");
  const where = `the schedule '${name}'`;
  const { missed, missedLimit, startingDeadline, overlap, jitter, enabled, args, kwargs, ...callOptions } =
    options;
  return {
    name,
    schedule: readWhen(when, where),
    call: readCall(scheduled, { args, kwargs, callOptions }, where),
    policy: resolvePolicy(
      defined({ missed, missedLimit, startingDeadline, overlap, jitter, enabled }),
      where,
    ),
    enabled: enabled ?? true,
  };
}

/** Declares a schedule whose name is made of its task and its times. Throws as {@link declareSchedule}. */
export function declarePeriodic(
  name: string | undefined,
  when: When,
  scheduled: Scheduled,
  options: ScheduleOptions,
): DeclaredSchedule {
  if (name !== undefined) return declareSchedule(name, when, scheduled, options);
  const { schedule, call } = declareSchedule('a periodic task', when, scheduled, options);
  const task = call.kind === 'task' ? call.task : call.signature.task;
  return declareSchedule(`${task} ${schedule}`, when, scheduled, options);
}

/** From an entry of Celery's map form. Throws as {@link declareSchedule}. */
export function declareEntry(name: string, entry: BeatScheduleEntry): DeclaredSchedule {
  const { schedule, relative, task, args, kwargs, options, toJSON: _, ...policy } = entry;
  const unknown = Object.keys(policy).find((key) => !Object.hasOwn(schedulePolicy, key));
  if (unknown !== undefined)
    throw new UnknownOptionError(
      unknown,
      `the schedule '${name}'`,
      suggest(unknown, [...Object.keys(schedulePolicy), ...entryNames]),
    );
  if (task === undefined || schedule === undefined)
    throw new ConfigError(
      `the schedule '${name}' needs 'task' and 'schedule', as in { task: 'shop.report', schedule: 60 }`,
    );
  const call = defined({ task, args, kwargs, options }) as unknown as ScheduledCall; // without the undefined ones
  return declareSchedule(name, relative === true ? relativeTo(schedule) : schedule, call, policy);
}

const entryNames: readonly string[] = ['task', 'schedule', 'args', 'kwargs', 'options', 'relative'];

/** @throws ConfigError */
function readWhen(when: When, where: string): Schedule {
  if (typeof when === 'number') return every(when);
  if (typeof when === 'string')
    return /^\s*-?[\d.]+\s*(?:ms|[smhd])\s*$/.test(when) ? every(readDuration(when)) : crontab(when);
  if (typeof when === 'object' && when !== null && typeof when.next === 'function') return when;
  throw new ConfigError(`${where}: it must say when: every(60), '10m', crontab('30 2 * * *'), solar(…)`);
}

function relativeTo(when: When): Schedule {
  if (typeof when === 'number' || typeof when === 'string') {
    const schedule = readWhen(when, 'a schedule');
    if (schedule.toJSON?.().type !== 'every') return schedule;
    return every(readDuration(when), { relative: true });
  }
  return when;
}

function readCall(
  scheduled: Scheduled,
  given: {
    readonly args: ScheduledCall['args'] | undefined;
    readonly kwargs: ScheduledCall['kwargs'] | undefined;
    readonly callOptions: ScheduledCallOptions;
  },
  where: string,
): DeclaredSchedule['call'] {
  if (isSignature<[]>(scheduled)) {
    if (given.args !== undefined || given.kwargs !== undefined)
      throw new ConfigError(`${where}: a signature has its arguments; give them there`);
    const signature = scheduled.toJSON();
    if (resultId(signature) !== null)
      throw new ConfigError(`${where}: a frozen signature is sent once; give one without ids`);
    encodeJson(signature, '$signature');
    return {
      kind: 'signature',
      signature,
      options: checkOptions(given.callOptions, where),
    };
  }
  const call: ScheduledCall = isCall(scheduled) ? scheduled : { task: scheduled };
  const task = typeof call.task === 'string' ? call.task : call.task?.name;
  checkName(task, `the task of ${where}`);
  const args = given.args ?? call.args ?? [];
  const kwargs = given.kwargs ?? call.kwargs ?? {};
  checkShape(task, typeof args === 'function' ? [] : args, typeof kwargs === 'function' ? {} : kwargs);
  encodeJson(
    [typeof args === 'function' ? [] : args, typeof kwargs === 'function' ? {} : kwargs],
    '$arguments',
  );
  const options = { ...call.options, ...given.callOptions };
  return { kind: 'task', task, args, kwargs, options: checkOptions(options, where) };
}

function isCall(scheduled: string | AnyTask | ScheduledCall): scheduled is ScheduledCall {
  return typeof scheduled === 'object' && scheduled !== null && 'task' in scheduled;
}

/** Options that are kept as data must have a form as data. */
function checkOptions(options: ScheduledCallOptions, where: string): ScheduledCallOptions {
  const given = defined({ ...options });
  for (const name of Object.keys(given)) {
    if (ofOneCall.some((each) => each === name))
      throw new ConfigError(
        `${where}: '${name}' is of one call, not of all that a schedule sends; leave it out`,
      );
  }
  checkCallOptions(where, given);
  encodeJson(given, '$options');
  return given;
}

/** @throws ConfigError, UnknownOptionError */
export function resolvePolicy(policy: SchedulePolicy, where: string): ResolvedPolicy {
  const read = readOptions(schedulePolicy, policy, where, {}, 'of');
  const { missed, missedLimit, overlap, jitter, startingDeadline } = read;
  const deadline = policy.startingDeadline === undefined && missed === 'skip' ? 10 : startingDeadline;
  return {
    missed,
    missedLimit,
    startingDeadlineMs: deadline === null ? null : deadline * 1000,
    overlap,
    jitterMs: jitter * 1000,
  };
}

function defined(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
