// Time zones: offsets from UTC, and the times at which they change. The facts come from the runtime (Intl).
import { ConfigError } from '../errors.ts';

/** A period with a constant offset. Times are milliseconds since 1970. */
interface OffsetPeriod {
  readonly start: number;
  /** The time from which another offset holds, or the end of the search. */
  readonly end: number;
  /** Local time minus UTC, milliseconds. */
  readonly offset: number;
}

/** A time zone of the runtime. */
export class Zone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat | null;
  /** Periods by the number of their "month", a span of 32 days. */
  readonly #months = new Map<number, readonly OffsetPeriod[]>();

  private constructor(name: string, format: Intl.DateTimeFormat | null) {
    this.name = name;
    this.#format = format;
  }

  /** @throws ConfigError for a name that the runtime does not know. */
  static named(name: string): Zone {
    let zone = zones.get(name);
    if (zone === undefined) {
      zone = new Zone(name, formatOf(name));
      zones.set(name, zone);
    }
    return zone;
  }

  /** The offset at a time, milliseconds. */
  offset(at: number): number {
    return this.period(at).offset;
  }

  /** The period around a time. It may end before the offset really changes, at the end of a searched month. */
  period(at: number): OffsetPeriod {
    const month = Math.floor(at / monthMs);
    let periods = this.#months.get(month);
    if (periods === undefined) {
      if (this.#months.size >= maxMonths) this.#months.clear();
      periods = this.#scan(month * monthMs, (month + 1) * monthMs);
      this.#months.set(month, periods);
    }
    for (const period of periods) if (at < period.end) return period;
    throw new RangeError(`no period holds ${at}`);
  }

  /**
   * The time at which the clocks first show this local time (given as if it were UTC). If they skip it, the time of the jump.
   */
  resolve(local: number): number {
    // No offset is more than a day, so the search starts a day earlier.
    for (let at = local - dayMs; ; ) {
      const { end, offset } = this.period(at);
      // In this period the clocks show the local times from at+offset to end+offset.
      const meant = local - offset;
      if (meant < end) return Math.max(meant, at);
      at = end;
    }
  }

  #scan(from: number, to: number): readonly OffsetPeriod[] {
    const periods: OffsetPeriod[] = [];
    let start = from;
    let offset = this.#offsetAt(from);
    for (let at = from; at < to; at += stepMs) {
      const next = Math.min(to, at + stepMs);
      const after = this.#offsetAt(next);
      if (after === offset) continue;
      const moved = this.#whenMoved(at, next, offset);
      periods.push({ start, end: moved, offset });
      start = moved;
      offset = after;
    }
    if (start < to) periods.push({ start, end: to, offset });
    return periods;
  }

  /** The first time in (low, high] whose offset differs from `before`. Offsets change at full seconds. */
  #whenMoved(low: number, high: number, before: number): number {
    let [same, other] = [low, high];
    while (other - same > 1000) {
      const middle = same + Math.floor((other - same) / 2000) * 1000;
      if (this.#offsetAt(middle) === before) same = middle;
      else other = middle;
    }
    return other;
  }

  #offsetAt(at: number): number {
    if (this.#format === null) return 0;
    const shown = this.#format.format(at);
    const [, month, day, year, era, hour, minute, second] = pattern.exec(shown) ?? [];
    if (second === undefined)
      throw new RangeError(`the runtime shows '${shown}' for a moment in ${this.name}`);
    const years = era === 'B' ? 1 - Number(year) : Number(year);
    const local = Date.UTC(
      2000,
      Number(month) - 1,
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
    );
    return (
      new Date(local).setUTCFullYear(years, Number(month) - 1, Number(day)) - Math.floor(at / 1000) * 1000
    );
  }
}

const zones = new Map<string, Zone>();
const dayMs = 86_400_000;
const monthMs = 32 * dayMs;
/** Distance between two probes of the offset, milliseconds. No zone has changed its offset twice within half a day. */
const stepMs = dayMs / 2;
/** How many months are cached for each zone: ten years. */
const maxMonths = 120;

const pattern = /^(\d+)\/(\d+)\/(\d+) ([AB])\D* (\d+):(\d+):(\d+)$/;

function formatOf(name: string): Intl.DateTimeFormat | null {
  if (name === 'UTC') return null;
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      calendar: 'gregory',
      numberingSystem: 'latn',
      era: 'narrow',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (error) {
    throw new ConfigError(`there is no time zone '${name}'; use a name like 'Europe/Berlin' or 'UTC'`, {
      cause: error,
    });
  }
}
