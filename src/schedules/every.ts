// Intervals, counted from a fixed time, so that they never drift.
import { ConfigError } from '../errors.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { plainContext, type Schedule, type ScheduleContext } from './schedule.ts';
import type { EveryJson } from './schedule-json.ts';

/** Options of `every`. */
export interface EveryOptions {
  /**
   * Counts from 1970-01-01, 00:00 UTC instead of from the time at which the schedule came into force: `every('1h', { relative: true })` is
   * due at each full hour. Celery's `relative`.
   */
  readonly relative?: boolean;
}

/**
 * A schedule with an interval, in seconds or like `'10m'`. As in Celery, the first run is one whole interval after the schedule came into
 * force; each further run is one interval later.
 * @throws ConfigError for less than 10 ms or more than 100 years.
 */
export function every(interval: Duration, options: EveryOptions = {}): Every {
  return new Every(toMs(interval, "the interval of 'every'"), options.relative ?? false);
}

/** Times at a fixed distance: made by `every`. */
export class Every implements Schedule {
  /** The distance, milliseconds. */
  readonly intervalMs: number;
  /** See {@link EveryOptions.relative}. */
  readonly relative: boolean;

  /** @internal */
  constructor(intervalMs: number, relative: boolean) {
    // Each Date would lose a fraction of a millisecond, and the losses would add up.
    this.intervalMs = Math.round(intervalMs);
    this.relative = relative;
    if (!(this.intervalMs >= shortestMs && this.intervalMs <= longestMs)) {
      throw new ConfigError(
        `the interval of 'every' must be from 10 ms to 100 years, not ${intervalMs / 1000} s`,
      );
    }
  }

  /** The first time after this one. */
  next(after: Date, { since }: ScheduleContext = plainContext): Date | null {
    const from = this.relative ? 0 : since.getTime();
    const passed = Math.max(0, Math.floor((after.getTime() - from) / this.intervalMs));
    const next = new Date(from + (passed + 1) * this.intervalMs);
    return Number.isNaN(next.getTime()) ? null : next;
  }

  toJSON(): EveryJson {
    return { type: 'every', every: this.intervalMs / 1000, relative: this.relative };
  }

  toString(): string {
    return `every ${intervalText(this.intervalMs)}${this.relative ? ' by the clock' : ''}`;
  }
}

const shortestMs = 10;
const longestMs = 100 * 366 * 86_400_000;

/** A duration in the largest unit without a fraction: `10m`, `90s`, `1500ms`. */
export function intervalText(ms: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ];
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
