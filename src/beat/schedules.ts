// The schedules in the store: to list, and to change while beats run.
import type { App } from '../app/app.ts';
import {
  type DeclaredSchedule,
  declareEntry,
  declareSchedule,
  type ResolvedPolicy,
  type Scheduled,
  type ScheduleOptions,
} from '../app/schedule.ts';
import { sendRun } from '../app/scheduled-send.ts';
import type { BeatScheduleEntry, ScheduledCallOptions, When } from '../config/beat-schedule.ts';
import { ConfigError, UnknownScheduleError } from '../errors.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import { uuid7 } from '../lib/uuid.ts';
import { encodeJson } from '../protocol/json.ts';
import type { Json } from '../protocol/message.ts';
import type { Schedule } from '../schedules/schedule.ts';
import type { ScheduleJson } from '../schedules/schedule-json.ts';
import {
  historyLength,
  noState,
  type RunOutcome,
  type RunRecord,
  type ScheduleStore,
  type StoredEntry,
} from '../stores/schedule-store.ts';
import { checkOverlap } from './declared.ts';
import { decodeEntry, type Entry, encodeEntry, entryOf, isDueTheSame, scheduleOf, taskOf } from './entry.ts';
import { openSchedulesOf } from './open-schedule-store.ts';
import { nextMs } from './overdue.ts';
import { callOf, optionsOf } from './run-call.ts';

/** A schedule and its state. */
export interface ScheduleInfo {
  /** Its name. */
  readonly name: string;
  /** The task that it sends, or the first task of its workflow. */
  readonly task: string;
  /** Its times in words, for people: `every 10m`, `30 2 * * * Europe/Berlin`. */
  readonly schedule: string;
  /** Its times as data; null: a schedule class of the user's code. */
  readonly when: ScheduleJson | null;
  /** It sends a workflow: a signature, of which `args` and `kwargs` are those of its first task. */
  readonly isSignature: boolean;
  /** The positional arguments of each run. */
  readonly args: readonly unknown[];
  /** The keyword arguments of each run. */
  readonly kwargs: Json;
  /** Options of the calls that it sends. */
  readonly options: ScheduledCallOptions;
  /** The code makes the arguments, at each run. */
  readonly computed: boolean;
  /** Its rules for missed and overlapping runs, and for its jitter. */
  readonly policy: ResolvedPolicy;
  /** `paused` by a user; `disabled` by its declaration; `declared` by code, but no beat with this code has started yet. */
  readonly state: 'active' | 'paused' | 'disabled' | 'declared';
  /** The application's code declares it: each beat that starts puts it back. */
  readonly fromCode: boolean;
  /** When it came into force. */
  readonly since: Date;
  /** When a run was last sent. */
  readonly lastRun: Date | null;
  /** The id of the task that was last sent; null: none was. */
  readonly lastTaskId: string | null;
  /** When it is due next; null: never, not in this state, or only the code knows. */
  readonly nextDue: Date | null;
  /** The number of runs that were sent. */
  readonly sent: number;
}

/** The outcome of a run, or of several runs that were skipped together. */
export interface ScheduleRun {
  /** When it was due. */
  readonly due: Date;
  /** When the last of several skipped runs was due. */
  readonly until: Date;
  /** When it was sent, or skipped. */
  readonly at: Date;
  /** Whether it was sent, or why not. */
  readonly outcome: RunOutcome;
  /** The task's id; null: nothing was sent. */
  readonly taskId: string | null;
  /** Why it was skipped, or failed. */
  readonly detail: string | null;
}

/** A future run. */
export interface UpcomingRun {
  /** The schedule's name. */
  readonly name: string;
  /** When it is due. */
  readonly due: Date;
}

interface Found {
  readonly stored: StoredEntry;
  readonly entry: Entry;
  /** It is in the store. */
  readonly isKept: boolean;
}

/** How often a change is tried while others change the same entry. */
const maxTries = 20;
/** How many runs of one schedule a preview has at most. */
const maxUpcoming = 100_000;

/**
 * The schedules of an application. A change takes effect within two seconds, wherever the beat runs.
 * @example
 * await using schedules = await Schedules.open(app);
 * await schedules.add('report', crontab('0 8 * * mon'), 'shop.report', { queue: 'slow' });
 * await schedules.pause('report');
 */
export class Schedules implements AsyncDisposable {
  /** The application whose schedules these are. */
  readonly app: App;
  readonly #store: ScheduleStore;

  private constructor(app: App, store: ScheduleStore) {
    this.app = app;
    this.#store = store;
  }

  /** @throws ConfigError, StoreError, BrokerUnavailable */
  static async open(app: App): Promise<Schedules> {
    return new Schedules(app, await openSchedulesOf(app));
  }

  /** By name; includes schedules of the code that no beat has put into the store yet. */
  async list(): Promise<readonly ScheduleInfo[]> {
    const nowMs = await this.#store.now();
    return [...(await this.#all(nowMs))]
      .sort((a, b) => (a.stored.name < b.stored.name ? -1 : 1))
      .map((found) => this.#infoOf(found, nowMs));
  }

  /** @throws UnknownScheduleError */
  async get(name: string): Promise<ScheduleInfo> {
    const found = await this.#find(name);
    return this.#infoOf(found, await this.#store.now());
  }

  /** @throws ConfigError when the name is taken, or a value is wrong; UnknownOptionError */
  async add(name: string, when: When, what: Scheduled, options: ScheduleOptions = {}): Promise<void> {
    await this.#create(declareSchedule(name, when, what, options));
  }

  /**
   * Adds it if there is none of this name. false: there is one, which stays as it is. Throws as {@link add}, but not for a name that is taken.
   * Any number of programs may call it at once.
   * @example await schedules.ensure('cleanup in Tokyo', crontab('0 2 * * *', { timezone: 'Asia/Tokyo' }), 'shop.clean_up');
   */
  async ensure(name: string, when: When, what: Scheduled, options: ScheduleOptions = {}): Promise<boolean> {
    const declared = declareSchedule(name, when, what, options);
    this.#checked(entryOf(declared, false, 0));
    if (this.app.schedules.get(name) !== undefined || (await this.#store.get(name)) !== undefined)
      return false;
    return this.#put(entryOf(declared, false, await this.#store.now()));
  }

  /** Checks the values of a schedule, and adds nothing. Throws as {@link add}, but not for a name that is taken. */
  check(name: string, when: When, what: Scheduled, options: ScheduleOptions = {}): void {
    this.#checked(entryOf(declareSchedule(name, when, what, options), false, 0));
  }

  /**
   * The next due times, at most `count`, of a schedule that was added now; or to which the schedule `name` was changed now, so that
   * an unchanged interval counts on.
   */
  async nextRuns(schedule: Schedule, count: number, name: string): Promise<readonly Date[]> {
    const nowMs = await this.#store.now();
    const stored = await this.#store.get(name);
    const before = stored === undefined ? null : decodeEntry(name, stored.text);
    const isSame = before !== null && encodeJson(before.schedule) === encodeJson(schedule.toJSON?.() ?? null);
    const since = new Date(isSame ? (stored?.state.anchorMs ?? before.sinceMs) : nowMs);
    const runs: Date[] = [];
    for (let dueMs: number | null = nowMs; runs.length < count; ) {
      dueMs = nextMs(schedule, { timezone: this.app.config.timezone, since }, dueMs);
      if (dueMs === null) break;
      runs.push(new Date(dueMs));
    }
    return runs;
  }

  /** Adds an entry in Celery's form. Throws as {@link add}. */
  async addEntry(name: string, entry: BeatScheduleEntry): Promise<void> {
    await this.#create(declareEntry(name, entry));
  }

  /**
   * Replaces a schedule. If it is due at other times now, it counts from now. A pause and the history stay.
   * @throws UnknownScheduleError; ConfigError also when the code declares it
   */
  async change(name: string, when: When, what: Scheduled, options: ScheduleOptions = {}): Promise<void> {
    const declared = declareSchedule(name, when, what, options);
    await this.#update('change', name, (before, nowMs) => {
      this.#refuseCode(before, 'changed');
      const entry = this.#checked(entryOf(declared, false, nowMs));
      const sinceMs = isDueTheSame(before, entry) ? before.sinceMs : nowMs;
      return { ...entry, paused: before.paused, sinceMs };
    });
  }

  /** Pauses it until it is resumed, also if the code declares it. @throws UnknownScheduleError */
  async pause(name: string): Promise<void> {
    await this.#update('pause', name, (entry) => ({ ...entry, paused: true }));
  }

  /** Resumes it from now: runs that were due during the pause are not made up for. @throws UnknownScheduleError, ConfigError */
  async resume(name: string): Promise<void> {
    await this.#update('resume', name, (entry, nowMs) => {
      if (!entry.enabled && entry.fromCode)
        throw new ConfigError(
          `the schedule '${name}' is disabled in the code that declares it (enabled: false); change it there`,
        );
      if (!entry.paused && entry.enabled) return entry;
      return { ...entry, paused: false, enabled: true, sinceMs: nowMs };
    });
  }

  /**
   * Sends a run now, outside of the schedule. If no beat has put the schedule into the store yet, its history does not have this run.
   * @throws UnknownScheduleError, and what sending throws
   */
  async run(name: string): Promise<ReturnType<App['result']>> {
    const { entry, isKept } = await this.#find(name);
    await this.app.audit.record('schedule.run', name);
    const atMs = await this.#store.now();
    const taskId = uuid7();
    const call = await callOf(this.app, entry, { name, due: new Date(atMs), taskId });
    await sendRun(this.app, call, optionsOf(entry, taskId), null);
    // Only a beat puts the schedule there: other beats that run might send it from then on.
    if (!isKept) return this.app.result(taskId);
    const run: RunRecord = {
      name,
      dueMs: atMs,
      untilMs: atMs,
      atMs,
      outcome: 'manual',
      taskId,
      detail: null,
    };
    await this.#store.record(null, [run]);
    return this.app.result(taskId);
  }

  /** Deletes it and its history. @throws UnknownScheduleError; ConfigError when the code declares it */
  async remove(name: string): Promise<void> {
    const { entry } = await this.#find(name);
    this.#refuseCode(entry, 'deleted');
    await this.app.audit.record('schedule.delete', name);
    await this.#store.remove(name);
  }

  /** The newest first; the latest 50 are kept. @throws UnknownScheduleError */
  async history(name: string, limit: number = historyLength): Promise<readonly ScheduleRun[]> {
    await this.#find(name);
    const runs = await this.#store.history(name, limit);
    return runs.map(({ dueMs, untilMs, atMs, outcome, taskId, detail }) => ({
      due: new Date(dueMs),
      until: new Date(untilMs),
      at: new Date(atMs),
      outcome,
      taskId,
      detail,
    }));
  }

  /**
   * The runs that are due within `ahead` from now, of all active schedules or of `names`, in the order of time. A schedule that is only
   * declared counts as if a beat started now.
   */
  async preview(ahead: Duration = '24h', names?: readonly string[]): Promise<readonly UpcomingRun[]> {
    const nowMs = await this.#store.now();
    const untilMs = nowMs + toMs(ahead, 'the time to look ahead');
    const runs: UpcomingRun[] = [];
    for (const { stored, entry } of await this.#all(nowMs)) {
      if (names !== undefined && !names.includes(stored.name)) continue;
      let count = 0;
      for (let due = this.#nextOf(stored, entry, nowMs); due !== null && due <= untilMs; ) {
        runs.push({ name: stored.name, due: new Date(due) });
        if (++count === maxUpcoming) break;
        due = this.#after(stored, entry, due);
      }
    }
    return runs.sort((a, b) => a.due.getTime() - b.due.getTime());
  }

  /** Closes the store. Safe to call twice. */
  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #create(declared: DeclaredSchedule): Promise<void> {
    if (this.app.schedules.get(declared.name) !== undefined)
      throw new ConfigError(`the schedule '${declared.name}' is declared in code; take another name`);
    const entry = this.#checked(entryOf(declared, false, await this.#store.now()));
    if (!(await this.#put(entry)))
      throw new ConfigError(
        `a schedule named '${entry.name}' exists already; change or delete it, or choose another name`,
      );
  }

  /** false: there is one of this name. */
  async #put(entry: Entry): Promise<boolean> {
    await this.app.audit.record('schedule.add', entry.name);
    return this.#store.put(entry.name, encodeEntry(entry), null);
  }

  /** An entry that can be kept as data. */
  #checked(entry: Entry): Entry {
    if (entry.schedule === null || entry.call.computed)
      throw new ConfigError(
        `the schedule '${entry.name}' needs code to be sent; declare it in the application: app.schedule(…)`,
      );
    checkOverlap(this.app, entry);
    return entry;
  }

  /** The schedules in the store, and those that the code would put there. */
  async #all(nowMs: number): Promise<readonly Found[]> {
    const { entries } = await this.#store.changes(null);
    const known = new Set(entries.map(({ name }) => name));
    const missing = [...this.app.schedules].filter(({ name }) => !known.has(name));
    return [
      ...entries.map((stored) => ({ stored, entry: decodeEntry(stored.name, stored.text), isKept: true })),
      ...missing.map((declared) => declaredOnly(declared, nowMs)),
    ];
  }

  async #find(name: string): Promise<Found> {
    const stored = await this.#store.get(name);
    if (stored !== undefined) return { stored, entry: decodeEntry(name, stored.text), isKept: true };
    const nowMs = await this.#store.now();
    const declared = this.app.schedules.get(name);
    if (declared !== undefined) return declaredOnly(declared, nowMs);
    const names = (await this.#all(nowMs)).map((found) => found.stored.name);
    throw new UnknownScheduleError(name, suggest(name, names));
  }

  async #update(verb: string, name: string, change: (entry: Entry, nowMs: number) => Entry): Promise<void> {
    for (let tries = 0; tries < maxTries; tries++) {
      const { stored, entry, isKept } = await this.#find(name);
      const changed = change(entry, await this.#store.now());
      if (changed === entry) return;
      if (tries === 0) await this.app.audit.record(`schedule.${verb}`, name);
      if (await this.#store.put(name, encodeEntry(changed), isKept ? stored.revision : null)) return;
    }
    throw new ConfigError(`the schedule '${name}' is changed by others all the time`);
  }

  #refuseCode(entry: Entry, what: string): void {
    if (entry.fromCode)
      throw new ConfigError(
        `the schedule '${entry.name}' is declared in code and would come back; it is ${what} there (or pause it)`,
      );
  }

  #infoOf({ stored, entry, isKept }: Found, nowMs: number): ScheduleInfo {
    const { call, policy } = entry;
    const { lastRunMs, lastTaskId, sent } = stored.state;
    const nextDue = this.#nextOf(stored, entry, nowMs);
    return {
      name: entry.name,
      task: taskOf(entry),
      schedule: entry.shown,
      when: entry.schedule,
      isSignature: call.kind === 'signature',
      args: call.kind === 'task' ? call.args : call.signature.args,
      kwargs: call.kind === 'task' ? call.kwargs : call.signature.kwargs,
      options: call.options,
      computed: call.computed,
      policy,
      state: !entry.enabled ? 'disabled' : entry.paused ? 'paused' : isKept ? 'active' : 'declared',
      fromCode: entry.fromCode,
      since: new Date(entry.sinceMs),
      lastRun: lastRunMs === null ? null : new Date(lastRunMs),
      lastTaskId,
      nextDue: nextDue === null ? null : new Date(nextDue),
      sent,
    };
  }

  /** The first due time that is not past. */
  #nextOf(stored: StoredEntry, entry: Entry, nowMs: number): number | null {
    if (!entry.enabled || entry.paused) return null;
    return this.#after(stored, entry, Math.max(nowMs, stored.state.lastDueMs ?? 0));
  }

  #after(stored: StoredEntry, entry: Entry, afterMs: number): number | null {
    const schedule = scheduleOf(entry, this.app.schedules.get(entry.name));
    if (schedule === null) return null;
    const since = new Date(stored.state.anchorMs ?? entry.sinceMs);
    return nextMs(schedule, { timezone: this.app.config.timezone, since }, afterMs);
  }
}

function declaredOnly(declared: DeclaredSchedule, nowMs: number): Found {
  const entry = entryOf(declared, true, nowMs);
  const stored = { name: entry.name, text: encodeEntry(entry), revision: 0, state: noState };
  return { stored, entry, isKept: false };
}
