// When something is due: what all kinds of schedules have in common.
import type { ScheduleJson } from './schedule-json.ts';

/** What a schedule may need to know of where it is used. */
export interface ScheduleContext {
  /** The application's time zone, for schedules that name none. */
  readonly timezone: string;
  /** Since when the schedule is in force: intervals are counted from here. */
  readonly since: Date;
}

/** Says when something is due. One of your own is any object with `next`. */
export interface Schedule {
  /**
   * The first time that it is due after `after`, not at it; null when it never is again. The same question has the same
   * answer, on every machine: the id of a run is made of it.
   */
  next(after: Date, context?: ScheduleContext): Date | null;
  /** Its form as data. A schedule without one lives in code only. */
  toJSON?(): ScheduleJson;
  /** For people: `every 10 min`, `30 2 * * *`. */
  toString(): string;
}

/** Where nothing is said: UTC, and intervals from 1970. */
export const plainContext: ScheduleContext = { timezone: 'UTC', since: new Date(0) };
