// Rates of ended tasks, counted from events by the second. Pure.
import type { WireEvent } from '../../protocol/event.ts';

/** The rate of the tasks of one name, within the window. */
export interface TaskRate {
  readonly name: string;
  /** Successful tasks per second. */
  readonly perSecond: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
  /** Mean runtime of the tasks whose events have it, seconds. */
  readonly runtime: number | null;
}

interface Counts {
  readonly second: number;
  succeeded: number;
  failed: number;
  retried: number;
  runtime: number;
  timed: number;
}

const kinds: Readonly<Record<string, 'succeeded' | 'failed' | 'retried'>> = {
  'task-succeeded': 'succeeded',
  'task-failed': 'failed',
  'task-retried': 'retried',
};

/** How many names are counted separately. Further names are counted together. */
const maxNames = 500;
const otherNames = '(others)';
/** How many names of running tasks are remembered: only the event `task-received` has the name. */
const maxTasks = 100_000;

export class Rates {
  readonly #windowMs: number;
  readonly #counts = new Map<string, Counts[]>();
  readonly #names = new Map<string, string>();
  #since: number | null = null;

  /** `windowMs`: the length of the window, milliseconds. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Adds an event. `now`: milliseconds since 1970 by our clock, since other machines' clocks may differ. */
  add(event: WireEvent, now: number): void {
    this.#since ??= now;
    const { uuid, name } = event;
    if (typeof uuid !== 'string') return;
    if (typeof name === 'string') this.#remember(uuid, name);
    const kind = kinds[event.type];
    if (kind === undefined) return;
    const counts = this.#countsOf(this.#names.get(uuid) ?? '?', Math.floor(now / 1000));
    counts[kind]++;
    if (typeof event.runtime === 'number' && Number.isFinite(event.runtime)) {
      counts.runtime += event.runtime;
      counts.timed++;
    }
    if (kind !== 'retried') this.#names.delete(uuid);
  }

  /** The rates of all names, the highest first. */
  rates(now: number): readonly TaskRate[] {
    const from = Math.floor((now - this.#windowMs) / 1000);
    const seconds = Math.max(1, Math.min(this.#windowMs, now - (this.#since ?? now)) / 1000);
    const rates: TaskRate[] = [];
    for (const [name, all] of this.#counts) {
      while (all[0] !== undefined && all[0].second <= from) all.shift();
      if (all.length === 0) {
        this.#counts.delete(name);
        continue;
      }
      const sum = { succeeded: 0, failed: 0, retried: 0, runtime: 0, timed: 0 };
      for (const each of all) for (const field of fields) sum[field] += each[field];
      rates.push({
        name,
        perSecond: sum.succeeded / seconds,
        succeeded: sum.succeeded,
        failed: sum.failed,
        retried: sum.retried,
        runtime: sum.timed === 0 ? null : sum.runtime / sum.timed,
      });
    }
    const ended = ({ succeeded, failed }: TaskRate): number => succeeded + failed;
    return rates.sort((a, b) => ended(b) - ended(a) || (a.name < b.name ? -1 : 1));
  }

  #remember(uuid: string, name: string): void {
    this.#names.set(uuid, name);
    const [oldest] = this.#names.keys();
    if (this.#names.size > maxTasks && oldest !== undefined) this.#names.delete(oldest);
  }

  #countsOf(name: string, second: number): Counts {
    const known = this.#counts.has(name) || this.#counts.size < maxNames ? name : otherNames;
    const all = this.#counts.get(known) ?? [];
    if (all.length === 0) this.#counts.set(known, all);
    const last = all.at(-1);
    if (last !== undefined && last.second >= second) return last;
    const fresh = { second, succeeded: 0, failed: 0, retried: 0, runtime: 0, timed: 0 };
    all.push(fresh);
    return fresh;
  }
}

const fields = ['succeeded', 'failed', 'retried', 'runtime', 'timed'] as const;
