// What a crontab means, said by brute force: walk every minute of UTC and look at the clock on the wall.

/** The values of the five fields. */
export interface OracleFields {
  readonly minute: ReadonlySet<number>;
  readonly hour: ReadonlySet<number>;
  readonly dayOfMonth: ReadonlySet<number>;
  readonly monthOfYear: ReadonlySet<number>;
  readonly dayOfWeek: ReadonlySet<number>;
}

/** For each minute of UTC from `from` on, what the clocks of a zone show; all in minutes since 1970. */
export interface Wall {
  readonly from: number;
  readonly local: Int32Array;
  /** Minutes of UTC at which the clocks were moved. */
  readonly moves: readonly number[];
}

/** Looks at the clock each quarter of an hour, and each minute where it was moved in between. */
export function wallOf(zone: string, from: Date, to: Date): Wall {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const shown = (minute: number): number =>
    Date.parse(`${format.format(minute * 60_000).replace(' ', 'T')}Z`) / 60_000;
  const start = from.getTime() / 60_000;
  const length = (to.getTime() - from.getTime()) / 60_000;
  const local = new Int32Array(length);
  const moves: number[] = [];
  let offset = shown(start) - start;
  let next = offset;
  for (let at = 0; at < length; at += 15) {
    const here = next;
    next = shown(start + at + 15) - (start + at + 15);
    for (let n = at; n < Math.min(length, at + 15); n++) {
      const now = here === next ? here : shown(start + n) - (start + n);
      if (now !== offset) moves.push(start + n);
      offset = now;
      local[n] = start + n + now;
    }
  }
  return { from: start, local, moves };
}

/**
 * The minutes of UTC at which it is due. With every hour named: each minute whose local time matches. Else each local
 * minute once: when it is first shown, or when the clock jumps over it.
 */
export function dueMinutes(fields: OracleFields, wall: Wall): number[] {
  const ofDay = new Uint8Array(1440);
  for (const hour of fields.hour) for (const minute of fields.minute) ofDay[hour * 60 + minute] = 1;
  const days = new Map<number, boolean>();
  const isDay = (day: number): boolean => {
    let is = days.get(day);
    if (is === undefined) {
      const date = new Date(day * 86_400_000);
      is =
        fields.dayOfMonth.has(date.getUTCDate()) &&
        fields.monthOfYear.has(date.getUTCMonth() + 1) &&
        fields.dayOfWeek.has(date.getUTCDay());
      days.set(day, is);
    }
    return is;
  };
  const matches = (local: number): boolean => ofDay[local % 1440] === 1 && isDay(Math.floor(local / 1440));
  const due: number[] = [];
  const real = fields.hour.size === 24;
  let latest = (wall.local[0] ?? 0) - 1;
  for (let n = 0; n < wall.local.length; n++) {
    const local = wall.local[n] ?? 0;
    let is = false;
    if (real) is = matches(local);
    else for (let shown = latest + 1; shown <= local; shown++) is ||= matches(shown);
    latest = Math.max(latest, local);
    if (is) due.push(wall.from + n);
  }
  return due;
}
