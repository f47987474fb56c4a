// Statistics of the last hour: counts per minute, and counts and times per task name. Held in memory, with a fixed maximum size.
import type { TaskRecord } from '../../../history/record.ts';

/** Counts of one minute. */
export interface ActivityMinute {
  /** Start of the minute, milliseconds since 1970. */
  readonly at: number;
  readonly sent: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
}

/** Counts of one task name in the last hour. */
export interface TaskActivity {
  readonly name: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
  /** Milliseconds, of the latest successes (`of`: how many); null: there was no success. */
  readonly runtime: { readonly p50: number; readonly p95: number; readonly of: number } | null;
  /** Milliseconds from sending, or from the eta, to the start. */
  readonly wait: { readonly p50: number; readonly p95: number; readonly of: number } | null;
}

export type ActivityKind = 'sent' | 'succeeded' | 'failed' | 'retried';

const minuteMs = 60_000;
const windowMinutes = 60;
/** Task names with their own statistics. Tasks of further names count only in the minutes. */
const maxNames = 500;
/** Times that are held per task name. */
const maxTimes = 500;

interface NameStatistics {
  readonly counts: Map<number, Record<ActivityKind, number>>;
  readonly runtimes: Times;
  readonly waits: Times;
}

export class RecentActivity {
  readonly #minutes = new Map<number, Record<ActivityKind, number>>();
  readonly #names = new Map<string, NameStatistics>();

  /** `at`, `now`: milliseconds since 1970. Ignores what is older than an hour. */
  add(kind: ActivityKind, name: string | null, at: number, now: number): void {
    const minute = Math.floor(at / minuteMs);
    if (minute <= Math.floor(now / minuteMs) - windowMinutes || at > now + minuteMs) return;
    count(this.#minutes, minute, kind);
    const own = name === null ? undefined : this.#of(name);
    if (own !== undefined) count(own.counts, minute, kind);
  }

  addRuntime(name: string, ms: number, at: number): void {
    this.#of(name)?.runtimes.add(ms, at);
  }

  addWait(name: string, ms: number, at: number): void {
    this.#of(name)?.waits.add(ms, at);
  }

  /** Adds what the history recorded before `began`; later events were added already. */
  addRecord(task: TaskRecord, began: number): void {
    const { name, sentAt, endedAt, state, runtimeMs, waitMs, startedAt } = task;
    const add = (kind: ActivityKind, at: number | null): void => {
      if (at !== null && at < began) this.add(kind, name, at, began);
    };
    add('sent', sentAt);
    for (const attempt of task.attempts) if (attempt.state === 'RETRY') add('retried', attempt.endedAt);
    if (state === 'SUCCESS') add('succeeded', endedAt);
    if (state === 'FAILURE') add('failed', endedAt);
    if (name === null) return;
    const isBefore = (at: number | null): at is number => at !== null && at < began;
    if (isBefore(endedAt) && state === 'SUCCESS' && runtimeMs !== null)
      this.addRuntime(name, runtimeMs, endedAt);
    if (isBefore(startedAt) && waitMs !== null) this.addWait(name, waitMs, startedAt);
  }

  /** The oldest minute first. The last minute is not over. */
  minutes(now: number): readonly ActivityMinute[] {
    const last = Math.floor(now / minuteMs);
    for (const minute of this.#minutes.keys())
      if (minute <= last - windowMinutes) this.#minutes.delete(minute);
    return Array.from({ length: windowMinutes }, (_, index) => {
      const minute = last - windowMinutes + 1 + index;
      return { at: minute * minuteMs, ...(this.#minutes.get(minute) ?? none) };
    });
  }

  /** The task name with the most ended tasks first. */
  tasks(now: number): readonly TaskActivity[] {
    const first = Math.floor(now / minuteMs) - windowMinutes + 1;
    const found: TaskActivity[] = [];
    for (const [name, { counts, runtimes, waits }] of this.#names) {
      const total = { ...none };
      for (const [minute, each] of counts)
        if (minute < first) counts.delete(minute);
        else for (const kind of kinds) total[kind] += each[kind];
      if (total.sent + total.succeeded + total.failed + total.retried === 0) this.#names.delete(name);
      else
        found.push({
          name,
          succeeded: total.succeeded,
          failed: total.failed,
          retried: total.retried,
          runtime: runtimes.percentiles(first * minuteMs),
          wait: waits.percentiles(first * minuteMs),
        });
    }
    return found.sort(
      (a, b) => b.succeeded + b.failed - a.succeeded - a.failed || (a.name < b.name ? -1 : 1),
    );
  }

  #of(name: string): NameStatistics | undefined {
    const known = this.#names.get(name);
    if (known !== undefined || this.#names.size >= maxNames) return known;
    const fresh = { counts: new Map(), runtimes: new Times(), waits: new Times() };
    this.#names.set(name, fresh);
    return fresh;
  }
}

const none: Readonly<Record<ActivityKind, number>> = { sent: 0, succeeded: 0, failed: 0, retried: 0 };
const kinds = Object.keys(none) as ActivityKind[]; // Object.keys has the type string[]

function count(minutes: Map<number, Record<ActivityKind, number>>, minute: number, kind: ActivityKind): void {
  const counts = minutes.get(minute) ?? { ...none };
  counts[kind]++;
  minutes.set(minute, counts);
}

/** The latest durations: a ring buffer. */
class Times {
  readonly #all: { readonly ms: number; readonly at: number }[] = [];
  #next = 0;

  add(ms: number, at: number): void {
    this.#all[this.#next] = { ms, at };
    this.#next = (this.#next + 1) % maxTimes;
  }

  percentiles(since: number): { p50: number; p95: number; of: number } | null {
    const sorted = this.#all
      .filter(({ at }) => at >= since)
      .map(({ ms }) => ms)
      .sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    return sorted.length === 0 ? null : { p50: at(0.5), p95: at(0.95), of: sorted.length };
  }
}
