// Finds the days and minutes of a crontab in the calendar of local time, without regard to time zones.

/** The values of the five fields, in ascending order. All fields must match. */
export interface CronSet {
  readonly minute: readonly number[];
  readonly hour: readonly number[];
  readonly dayOfWeek: readonly number[];
  readonly dayOfMonth: readonly number[];
  readonly monthOfYear: readonly number[];
}

/** Every combination of day, month and weekday that exists comes within this number of years (around 2100 one takes 40). */
const horizonYears = 41;
const minuteMs = 60_000;
const dayMs = 86_400_000;

/** The first matching minute at or after `local`; null when there is none. Both are local times, written as if they were UTC. */
export function nextMatch(set: CronSet, local: number): number | null {
  let start = Math.ceil(local / minuteMs) * minuteMs;
  let day = Math.floor(start / dayMs) * dayMs;
  const until = day + horizonYears * 366 * dayMs;
  while (day < until) {
    const date = new Date(day);
    const month = date.getUTCMonth() + 1;
    if (!set.monthOfYear.includes(month)) {
      day = Date.UTC(date.getUTCFullYear(), month, 1);
      continue;
    }
    if (set.dayOfMonth.includes(date.getUTCDate()) && set.dayOfWeek.includes(date.getUTCDay())) {
      const minute = nextOfDay(set, start > day ? (start - day) / minuteMs : 0);
      if (minute !== null) return day + minute * minuteMs;
    }
    day += dayMs;
    start = day;
  }
  return null;
}

/** The first matching minute of a day at or after `from`. */
function nextOfDay(set: CronSet, from: number): number | null {
  const fromHour = Math.floor(from / 60);
  for (const hour of set.hour) {
    if (hour < fromHour) continue;
    const fromMinute = hour === fromHour ? from % 60 : 0;
    const minute = set.minute.find((minute) => minute >= fromMinute);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return null;
}
