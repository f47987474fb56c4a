// How much happens: the last hour in minutes, and each kind of task with its run times. In memory, of a fixed size.
import type { TaskRecord } from '../../../history/record.ts';

/** What happened in one minute. */
export interface ActivityMinute {
  /** Its beginning, milliseconds since 1970. */
  readonly at: number;
  readonly sent: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
}

/** A kind of task in the last hour. */
export interface TaskActivity {
  readonly name: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
  /** Of the latest successes; null: there was none. */
  readonly runtime: { readonly p50: number; readonly p95: number; readonly of: number } | null;
  /** From sending, or its time, to its start. */
  readonly wait: { readonly p50: number; readonly p95: number; readonly of: number } | null;
}

export type ActivityKind = 'sent' | 'succeeded' | 'failed' | 'retried';

const minuteMs = 60_000;
const minutesKept = 60;
/** Kinds of tasks; what is beyond is counted, without a line of its own. */
const mostNames = 500;
/** Times of a kind of task. */
const mostTimes = 500;

interface OfName {
  readonly counts: Map<number, Record<ActivityKind, number>>;
  readonly runtimes: Times;
  readonly waits: Times;
}

export class RecentActivity {
  readonly #minutes = new Map<number, Record<ActivityKind, number>>();
  readonly #names = new Map<string, OfName>();

  /** Milliseconds since 1970. What is older than an hour is left out. */
  add(kind: ActivityKind, name: string | null, at: number, now: number): void {
    const minute = Math.floor(at / minuteMs);
    if (minute <= Math.floor(now / minuteMs) - minutesKept || at > now + minuteMs) return;
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

  /** What was recorded of the time before this began. */
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

  /** The oldest first; the last one is not over. */
  minutes(now: number): readonly ActivityMinute[] {
    const last = Math.floor(now / minuteMs);
    for (const minute of this.#minutes.keys()) if (minute <= last - minutesKept) this.#minutes.delete(minute);
    return Array.from({ length: minutesKept }, (_, index) => {
      const minute = last - minutesKept + 1 + index;
      return { at: minute * minuteMs, ...(this.#minutes.get(minute) ?? none) };
    });
  }

  /** The busiest first. */
  tasks(now: number): readonly TaskActivity[] {
    const first = Math.floor(now / minuteMs) - minutesKept + 1;
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

  #of(name: string): OfName | undefined {
    const known = this.#names.get(name);
    if (known !== undefined || this.#names.size >= mostNames) return known;
    const fresh = { counts: new Map(), runtimes: new Times(), waits: new Times() };
    this.#names.set(name, fresh);
    return fresh;
  }
}

const none: Readonly<Record<ActivityKind, number>> = { sent: 0, succeeded: 0, failed: 0, retried: 0 };
const kinds = Object.keys(none) as ActivityKind[]; // its own keys

function count(minutes: Map<number, Record<ActivityKind, number>>, minute: number, kind: ActivityKind): void {
  const counts = minutes.get(minute) ?? { ...none };
  counts[kind]++;
  minutes.set(minute, counts);
}

/** The latest lengths of time. */
class Times {
  readonly #all: { readonly ms: number; readonly at: number }[] = [];
  #next = 0;

  add(ms: number, at: number): void {
    this.#all[this.#next] = { ms, at };
    this.#next = (this.#next + 1) % mostTimes;
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
