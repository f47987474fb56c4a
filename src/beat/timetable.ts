// The leading beat's work in one term: sends each schedule's runs when they are due.
import type { App } from '../app/app.ts';
import type { Clock } from '../lib/clock.ts';
import { Heap } from '../lib/heap.ts';
import type { Logger } from '../lib/logger.ts';
import type { Schedule, ScheduleContext } from '../schedules/schedule.ts';
import {
  afterRun,
  type EntryState,
  type RunRecord,
  type ScheduleStore,
  type StoredEntry,
} from '../stores/schedule-store.ts';
import type { Dispatch } from './dispatch.ts';
import { decodeEntry, type Entry, scheduleOf } from './entry.ts';
import type { Term } from './leadership.ts';
import { nextMs, overdue } from './overdue.ts';
import { jitterOf, runId } from './run-id.ts';
import type { StoreClock } from './store-clock.ts';

interface TimetableOptions {
  readonly app: App;
  readonly store: ScheduleStore;
  readonly dispatch: Dispatch;
  readonly time: StoreClock;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A run is recorded. */
  readonly onRun: (run: RunRecord) => void;
}

interface Item {
  entry: Entry;
  schedule: Schedule;
  revision: number;
  state: EntryState;
  /** Its slot in the queue; another slot there is stale. */
  slot: Slot | null;
  busy: boolean;
  gone: boolean;
  /** How often in succession the broker or the store could not be reached. */
  failures: number;
}

interface Slot {
  readonly item: Item;
  readonly at: number;
}

/** How many runs are under way at once. */
const maxUnderWay = 500;
/** A due time that is further than this in the future means that the clock was set back, milliseconds. */
const setBackMs = 10_000;
/** No timer runs for longer, milliseconds: the clock may be set. */
const longestSleepMs = 1000;

export class Timetable {
  readonly #options: TimetableOptions;
  readonly #term: Term;
  readonly #items = new Map<string, Item>();
  readonly #queue = new Heap<Slot>((a, b) => a.at - b.at);
  #revision: number | null = null;
  #loading: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  /** The latest time that the clock has shown. */
  #latest = 0;
  readonly #underWay = new Set<Promise<void>>();

  constructor(term: Term, options: TimetableOptions) {
    this.#term = term;
    this.#options = options;
    term.signal.addEventListener('abort', () => this.#disarm(), { once: true });
  }

  get size(): number {
    return this.#items.size;
  }

  /** Reads changed entries, if there are any, and sends due runs. */
  async refresh(revision: number): Promise<void> {
    if (revision !== this.#revision) {
      this.#loading ??= this.#load().finally(() => {
        this.#loading = null;
      });
      await this.#loading;
    }
    this.#checkClock();
    this.#turn();
  }

  /** Begins no more runs; resolves when none is under way. */
  async settled(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #load(): Promise<void> {
    const { entries, revision, complete } = await this.#options.store.changes(this.#revision);
    if (this.#term.signal.aborted) return;
    const names = new Set(entries.map(({ name }) => name));
    if (complete) for (const [name, item] of this.#items) if (!names.has(name)) this.#drop(name, item);
    for (const stored of entries) this.#take(stored);
    this.#revision = revision;
  }

  /** If the clock was set back, entries in the queue would wait for a time that is far away. */
  #checkClock(): void {
    const now = this.#options.time.now();
    if (now < this.#latest - setBackMs) for (const item of this.#items.values()) this.#arrange(item);
    else if (now < this.#latest) return;
    this.#latest = now;
  }

  #drop(name: string, item: Item): void {
    item.gone = true;
    item.slot = null;
    this.#items.delete(name);
  }

  #take(stored: StoredEntry): void {
    const before = this.#items.get(stored.name);
    if (before?.revision === stored.revision) return;
    const { app, logger } = this.#options;
    try {
      const entry = decodeEntry(stored.name, stored.text);
      const schedule = scheduleOf(entry, app.schedules.get(entry.name));
      if (schedule === null || (entry.call.computed && app.schedules.get(entry.name) === undefined)) {
        logger.error(
          { schedule: entry.name },
          `'${entry.name}' needs code that this beat does not have; it is not sent from here`,
        );
        if (before !== undefined) this.#drop(stored.name, before);
        return;
      }
      const known = { entry, schedule, revision: stored.revision };
      const item: Item = before ?? {
        ...known,
        state: stored.state,
        slot: null,
        busy: false,
        gone: false,
        failures: 0,
      };
      // A state that we have written ourselves may be newer than the one that was read.
      Object.assign(item, known, { state: laterState(before?.state, stored.state) });
      this.#items.set(stored.name, item);
      this.#arrange(item);
    } catch (error) {
      logger.error({ err: error, schedule: stored.name }, `the schedule '${stored.name}' is left out`);
      if (before !== undefined) this.#drop(stored.name, before);
    }
  }

  /** Puts it into the queue for its next run. */
  #arrange(item: Item, notBefore = 0): void {
    item.slot = null;
    if (item.busy || item.gone || !item.entry.enabled || item.entry.paused) return;
    const due = this.#isSetBack(item) ? 0 : this.#nextOf(item);
    if (due === null) return;
    item.slot = { item, at: Math.max(notBefore, this.#sendAt(item, due)) };
    this.#queue.push(item.slot);
    this.#arm();
  }

  #nextOf(item: Item): number | null {
    try {
      return nextMs(item.schedule, this.#contextOf(item), afterMsOf(item));
    } catch (error) {
      const { name } = item.entry;
      this.#options.logger.error(
        { err: error, schedule: name },
        `'${name}' does not say when it is due; it is left out`,
      );
      return null;
    }
  }

  #arm(): void {
    this.#disarm();
    if (this.#closed || this.#term.signal.aborted) return;
    const first = this.#queue.peek();
    if (first === undefined || this.#underWay.size >= maxUnderWay) return;
    const waitMs = Math.ceil(first.at - this.#options.time.now());
    const minMs = this.#term.holds() ? 0 : 50;
    this.#timer = setTimeout(() => this.#turn(), Math.max(minMs, Math.min(waitMs, longestSleepMs)));
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Begins all runs that are due. */
  #turn(): void {
    while (!this.#closed && this.#term.holds() && this.#underWay.size < maxUnderWay) {
      const first = this.#queue.peek();
      if (first === undefined || first.at > this.#options.time.now()) break;
      this.#queue.pop();
      if (first.item.slot !== first) continue;
      this.#begin(first.item);
    }
    this.#arm();
  }

  #begin(item: Item): void {
    item.slot = null;
    item.busy = true;
    const work = this.#settle(item)
      .then((againAt) => {
        item.failures = 0;
        return againAt;
      })
      .catch((error: unknown) => {
        if (this.#term.signal.aborted) return 0;
        const delayMs = Math.min(5000, 250 * 2 ** item.failures++);
        this.#options.logger.warn(
          { err: error, schedule: item.entry.name },
          `'${item.entry.name}' could not be sent; again in ${delayMs / 1000} s`,
        );
        return this.#options.time.now() + delayMs;
      })
      .then((againAt) => {
        item.busy = false;
        this.#underWay.delete(work);
        this.#arrange(item, againAt);
        this.#arm();
      });
    this.#underWay.add(work);
  }

  /** Sends the due runs of one schedule. Resolves with the time before which it need not be looked at again. */
  async #settle(item: Item): Promise<number> {
    const { dispatch, time } = this.#options;
    if (this.#isSetBack(item)) return this.#setBack(item);
    const { entry, schedule } = item;
    const context = this.#contextOf(item);
    const now = time.now();
    const { runs, skipped } = overdue(schedule, context, afterMsOf(item), now, entry.policy, (due) =>
      this.#sendAt(item, due),
    );
    if (skipped !== null) {
      const { fromMs, untilMs, reason } = skipped;
      await this.#record(item, { dueMs: fromMs, untilMs, outcome: 'skipped', taskId: null, detail: reason });
    }
    for (const dueMs of runs) {
      if (this.#closed || !this.#term.holds() || item.gone) return 0;
      const decision = await dispatch.mayOverlap(item.entry);
      if (decision === 'wait') return time.now() + longestSleepMs;
      if (decision === 'skip') {
        const detail = 'the run before has not ended';
        await this.#record(item, { dueMs, untilMs: dueMs, outcome: 'skipped', taskId: null, detail });
        continue;
      }
      const run = await dispatch.send(item.entry, dueMs, this.#term);
      if (run === null) return this.#readAgain(item);
      this.#note(item, run);
    }
    return 0;
  }

  /** The store has a newer state. */
  async #readAgain(item: Item): Promise<number> {
    const stored = await this.#options.store.get(item.entry.name);
    if (stored === undefined) this.#drop(item.entry.name, item);
    else item.state = stored.state;
    // If another beat leads, we learn that soon.
    return this.#options.time.now() + 250;
  }

  /** The clock was set back: the schedule goes on from the time it shows now. */
  async #setBack(item: Item): Promise<number> {
    const now = Math.floor(this.#options.time.now());
    this.#options.logger.warn(
      { schedule: item.entry.name },
      `the clock was set back; '${item.entry.name}' goes on from now`,
    );
    await this.#record(item, {
      dueMs: now,
      untilMs: now,
      outcome: 'moved',
      taskId: null,
      detail: 'the clock was set back',
    });
    return 0;
  }

  async #record(item: Item, run: Omit<RunRecord, 'name' | 'atMs'>): Promise<void> {
    const record: RunRecord = { ...run, name: item.entry.name, atMs: Math.floor(this.#options.time.now()) };
    await this.#options.dispatch.record(record, this.#term);
    this.#note(item, record);
  }

  #note(item: Item, run: RunRecord): void {
    item.state = afterRun(item.state, run, false) ?? item.state;
    this.#options.onRun(run);
  }

  #isSetBack(item: Item): boolean {
    return Math.max(afterMsOf(item), originMsOf(item)) > this.#options.time.now() + setBackMs;
  }

  #contextOf(item: Item): ScheduleContext {
    return { timezone: this.#options.app.config.timezone, since: new Date(originMsOf(item)) };
  }

  #sendAt(item: Item, dueMs: number): number {
    const { jitterMs } = item.entry.policy;
    if (jitterMs === 0) return dueMs;
    return dueMs + jitterOf(runId(this.#options.app.name, item.entry.name, dueMs), jitterMs);
  }
}

/** When its intervals are counted from. */
function originMsOf({ entry, state }: Item): number {
  return state.anchorMs ?? entry.sinceMs;
}

/** Due times until then are settled, or were before it came into force. */
function afterMsOf({ entry, state }: Item): number {
  if (state.anchorMs !== null) return Math.max(state.lastDueMs ?? state.anchorMs, state.anchorMs);
  return Math.max(state.lastDueMs ?? entry.sinceMs, entry.sinceMs);
}

function laterState(ours: EntryState | undefined, stored: EntryState): EntryState {
  return ours !== undefined && (ours.lastDueMs ?? 0) > (stored.lastDueMs ?? 0) && stored.anchorMs === null
    ? ours
    : stored;
}
