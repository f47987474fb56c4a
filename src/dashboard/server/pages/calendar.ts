// The calendar: when which schedules are due, by the minute. Pure.
import type { UpcomingRun } from '../../../beat/beat.ts';

export interface CalendarMinute {
  /** The beginning of the minute, milliseconds since 1970. */
  readonly at: number;
  /** Of all schedules. */
  readonly runs: number;
  /** How many schedules are due in it. */
  readonly due: number;
  /** The schedules that are due the most often, at most 12: an index into `names`, and the number of runs. */
  readonly schedules: readonly (readonly [name: number, runs: number])[];
}

/** Tasks that wait for their time, whoever sent them. */
export interface WaitingEtas {
  /** Quarters of an hour in which any is due, with their number, in order: the beginning, milliseconds since 1970. */
  readonly quarters: readonly (readonly [at: number, tasks: number])[];
  /** Why they are not known; null: they are. */
  readonly problem: string | null;
}

interface SchedulesDue {
  readonly names: readonly string[];
  /** Minutes in which something is due, in order. */
  readonly minutes: readonly CalendarMinute[];
}

const minuteMs = 60_000;
const maxNamed = 12;

export interface Calendar extends SchedulesDue {
  readonly etas: WaitingEtas;
}

const quarterMs = 900_000;

/** The quarters of the next 24 hours: their beginnings, and the end of the last. */
export function quartersOf(now: number): readonly number[] {
  const first = Math.floor(now / quarterMs) * quarterMs;
  return Array.from({ length: 98 }, (_, n) => first + n * quarterMs);
}

export function calendarOf(runs: readonly UpcomingRun[]): SchedulesDue {
  const numbers = new Map<string, number>();
  const minutes = new Map<number, Map<number, number>>();
  for (const { name, due } of runs) {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    const at = Math.floor(due.getTime() / minuteMs) * minuteMs;
    const minute = minutes.get(at) ?? new Map<number, number>();
    minutes.set(at, minute);
    minute.set(number, (minute.get(number) ?? 0) + 1);
  }
  return {
    names: [...numbers.keys()],
    minutes: [...minutes].map(([at, schedules]) => ({
      at,
      runs: [...schedules.values()].reduce((sum, each) => sum + each, 0),
      due: schedules.size,
      schedules: [...schedules].sort((a, b) => b[1] - a[1]).slice(0, maxNamed),
    })),
  };
}
