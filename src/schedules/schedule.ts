// The interface that all kinds of schedules share.
import type { ScheduleJson } from './schedule-json.ts';

/** Facts about the use of a schedule that its times may depend on. */
export interface ScheduleContext {
  /** The application's time zone, for schedules without one. */
  readonly timezone: string;
  /** When the schedule came into force. Intervals count from this time. */
  readonly since: Date;
}

/** Computes due times. Any object with `next` is a schedule. */
export interface Schedule {
  /**
   * The first due time later than `after`; null when there is none. It must return the same time for the same arguments on every machine,
   * since a run's id is computed from it.
   */
  next(after: Date, context?: ScheduleContext): Date | null;
  /** The schedule as data. A schedule without this method can be declared in code only. */
  toJSON?(): ScheduleJson;
  /** Text for users: `every 10 min`, `30 2 * * *`. */
  toString(): string;
}

/** The default context: UTC, and intervals that count from 1970. */
export const plainContext: ScheduleContext = { timezone: 'UTC', since: new Date(0) };
