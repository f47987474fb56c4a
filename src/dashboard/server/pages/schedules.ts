// Schedules: list, runs, pause, resume, and run now.
import type { App } from '../../../app/app.ts';
import { type ScheduleInfo, Schedules } from '../../../beat/beat.ts';

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
    upcoming: runs.slice(0, maxUpcoming),
    day: { runs: runs.length, marks: runs.filter((_, index) => index % every === 0) },
  };
}
