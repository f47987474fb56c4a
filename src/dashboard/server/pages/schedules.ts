// Schedules: list, calendar, runs, and changes.
import type { App } from '../../../app/app.ts';
import { type ScheduleInfo, Schedules } from '../../../beat/beat.ts';
import { Problem } from '../../../http/problem.ts';
import { type Calendar, calendarOf, quartersOf, type WaitingEtas } from './calendar.ts';
import { part } from './part.ts';
import { checkForm, type FormFault, formOf, readForm, type ScheduleForm, whyFixed } from './schedule-form.ts';

export interface ScheduleLine
  extends Pick<
    ScheduleInfo,
    'name' | 'task' | 'schedule' | 'state' | 'fromCode' | 'computed' | 'sent' | 'lastTaskId'
  > {
  /** As JSON. */
  readonly args: string;
  readonly kwargs: string;
  readonly queue: string | null;
  /** Milliseconds since 1970. */
  readonly lastAt: number | null;
  readonly nextAt: number | null;
  /** The values to change in the form; null: it cannot be changed there. */
  readonly form: ScheduleForm | null;
  /** Why it cannot be changed. */
  readonly fixed: string | null;
  /** The next runs within 24 hours, milliseconds since 1970. */
  readonly upcoming: readonly number[];
  /** The number of runs within 24 hours, and times to draw: an even selection of at most 144 runs. */
  readonly day: { readonly runs: number; readonly marks: readonly number[] };
}

interface ScheduleList {
  readonly schedules: readonly ScheduleLine[];
}

interface ScheduleRunLine {
  readonly dueAt: number;
  readonly at: number;
  readonly outcome: string;
  readonly taskId: string | null;
  readonly detail: string | null;
  /** The task's state in the history; null: unknown. */
  readonly state: string | null;
}

export interface FormCheck {
  readonly faults: readonly FormFault[];
  /** The next due times, milliseconds since 1970. */
  readonly next: readonly number[];
  /** The application's, for crontabs without one. */
  readonly timezone: string;
}

const maxUpcoming = 10;
const maxMarks = 144;

/** Opens the schedule store at the first call. */
export class SchedulePages implements AsyncDisposable {
  readonly #app: App;
  #opening: Promise<Schedules> | null = null;

  constructor(app: App) {
    this.#app = app;
  }

  /** @throws BrokerUnavailable, StoreError */
  async list(): Promise<ScheduleList> {
    const schedules = await this.#open();
    const [infos, runs] = await Promise.all([schedules.list(), schedules.preview('24h')]);
    const upcoming = new Map<string, number[]>();
    for (const { name, due } of runs) {
      const own = upcoming.get(name);
      if (own === undefined) upcoming.set(name, [due.getTime()]);
      else own.push(due.getTime());
    }
    return { schedules: infos.map((info) => lineOf(info, upcoming.get(info.name) ?? [])) };
  }

  /** When which schedules are due within the next 24 hours. @throws BrokerUnavailable, StoreError */
  async calendar(): Promise<Calendar> {
    const [runs, etas] = await Promise.all([
      this.#open().then((schedules) => schedules.preview('24h')),
      waitingEtas(this.#app, Date.now()),
    ]);
    return { ...calendarOf(runs), etas };
  }

  /** What is wrong with the values of a form, and when its schedule would be due. `changes`: the schedule that it changes; null: it adds one. */
  async check(form: ScheduleForm, changes: string | null): Promise<FormCheck> {
    const schedules = await this.#open();
    const names = (await schedules.list()).map(({ name }) => name);
    const { timezone } = this.#app.config;
    return {
      ...(await checkForm(schedules, form, new Set(names.filter((name) => name !== changes)))),
      timezone,
    };
  }

  /** @throws Problem 422, ConfigError, UnknownOptionError */
  async add(form: ScheduleForm): Promise<void> {
    const { schedule, call, options } = valid(readForm(form));
    await (await this.#open()).add(form.name.trim(), schedule, call, options);
  }

  /**
   * `before`: the values that the user saw. A pause stays.
   * @throws Problem 409 when they are not those of the schedule any more; 422; UnknownScheduleError, ConfigError
   */
  async replace(name: string, form: ScheduleForm, before: ScheduleForm): Promise<void> {
    const schedules = await this.#open();
    const info = await schedules.get(name);
    const fixed = whyFixed(info);
    if (fixed !== null) throw new Problem(422, `the schedule '${name}' cannot be changed here. ${fixed}`);
    if (JSON.stringify(formOf(info)) !== JSON.stringify(before))
      throw new Problem(
        409,
        `somebody else has changed the schedule '${name}' since this form was opened; open it again`,
      );
    const { schedule, call, options } = valid(readForm({ ...form, name }, info.options));
    await schedules.change(name, schedule, call, { ...options, enabled: info.state !== 'disabled' });
  }

  /** Deletes it with its history. @throws UnknownScheduleError, ConfigError */
  async remove(name: string): Promise<void> {
    await (await this.#open()).remove(name);
  }

  /** The newest first. @throws UnknownScheduleError */
  async runs(name: string): Promise<readonly ScheduleRunLine[]> {
    const runs = await (await this.#open()).history(name, 20);
    return Promise.all(
      runs.map(async ({ due, at, outcome, taskId, detail }) => ({
        dueAt: due.getTime(),
        at: at.getTime(),
        outcome,
        taskId,
        detail,
        state:
          taskId === null
            ? null
            : ((await this.#app.history.get(taskId).catch(() => undefined))?.state ?? null),
      })),
    );
  }

  /** @throws UnknownScheduleError, ConfigError */
  async change(name: string, verb: 'pause' | 'resume'): Promise<void> {
    await (await this.#open())[verb](name);
  }

  /** Returns the id of the task. @throws UnknownScheduleError, and the errors of sending */
  async run(name: string): Promise<{ readonly id: string }> {
    const { id } = await (await this.#open()).run(name);
    return { id };
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = null;
    await (await opening?.catch(() => null))?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): Promise<Schedules> {
    this.#opening ??= Schedules.open(this.#app).catch((error: unknown) => {
      this.#opening = null; // the next call tries again
      throw error;
    });
    return this.#opening;
  }
}

/** Never rejects: the schedules are shown all the same. */
async function waitingEtas(app: App, now: number): Promise<WaitingEtas> {
  const times = quartersOf(now);
  const counted = await part(app.broker().then((broker) => broker.dueCounts?.(times) ?? null));
  if (counted.problem !== null) return { quarters: [], problem: counted.problem };
  const counts = counted.value;
  if (counts === null)
    return { quarters: [], problem: 'this broker does not tell which tasks wait for their time' };
  const quarters = times.slice(0, -1).map((time, at) => [time, counts[at] ?? 0] as const);
  return { quarters: quarters.filter(([, tasks]) => tasks > 0), problem: null };
}

type ReadForm = ReturnType<typeof readForm>;

/** @throws Problem 422 with the fault of each field */
function valid(read: ReadForm): ReadForm & { readonly schedule: NonNullable<ReadForm['schedule']> } {
  const { faults, schedule } = read;
  if (schedule !== null && faults.length === 0) return { ...read, schedule };
  const errors = faults.map(({ field, message }) => ({ path: `$.${field}`, message }));
  throw new Problem(422, faults.map(({ field, message }) => `${field}: ${message}`).join('; '), { errors });
}

function lineOf(info: ScheduleInfo, runs: readonly number[]): ScheduleLine {
  const every = Math.ceil(runs.length / maxMarks);
  const { name, task, schedule, state, fromCode, computed, sent, lastTaskId } = info;
  return {
    name,
    task,
    schedule,
    state,
    fromCode,
    computed,
    sent,
    lastTaskId,
    args: JSON.stringify(info.args),
    kwargs: JSON.stringify(info.kwargs),
    queue: info.options.queue ?? null,
    lastAt: info.lastRun?.getTime() ?? null,
    nextAt: info.nextDue?.getTime() ?? null,
    form: whyFixed(info) === null ? formOf(info) : null,
    fixed: whyFixed(info),
    upcoming: runs.slice(0, maxUpcoming),
    day: { runs: runs.length, marks: runs.filter((_, index) => index % every === 0) },
  };
}
