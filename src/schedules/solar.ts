// Schedules by the sun: sunrise, sunset, twilight.
import { getPosition, getTimes, type SunTimeName } from 'suncalc';
import { ConfigError } from '../errors.ts';
import type { Schedule } from './schedule.ts';
import type { SolarJson } from './schedule-json.ts';

/** The events, by Celery's names. */
export type SolarEvent =
  | 'dawn_astronomical'
  | 'dawn_nautical'
  | 'dawn_civil'
  | 'sunrise'
  | 'solar_noon'
  | 'sunset'
  | 'dusk_civil'
  | 'dusk_nautical'
  | 'dusk_astronomical';

/**
 * A schedule by the sun, precise to the second: `solar('sunset', 52.52, 13.40)`, in degrees north and east. Where the event does not
 * happen for days or months (polar day and night), it is next due when it happens again.
 * @throws ConfigError
 */
export function solar(event: SolarEvent, latitude: number, longitude: number): Solar {
  return new Solar(event, latitude, longitude);
}

/** The times of an event of the sun at a place: made by `solar`. */
export class Solar implements Schedule {
  /** The event: `sunrise`, `sunset`, `dawn_civil` … */
  readonly event: SolarEvent;
  /** Degrees, north of the equator. */
  readonly latitude: number;
  /** Degrees, east of Greenwich. */
  readonly longitude: number;

  /** @internal */
  constructor(event: SolarEvent, latitude: number, longitude: number) {
    if (!Object.hasOwn(sunTimes, event)) {
      throw new ConfigError(
        `solar: there is no event '${event}'; there are ${Object.keys(sunTimes).join(', ')}`,
      );
    }
    check(latitude, 90, 'latitude');
    check(longitude, 180, 'longitude');
    this.event = event;
    this.latitude = latitude;
    this.longitude = longitude;
  }

  /** The first time after this one; null: there is none within a year, as near the poles. */
  next(after: Date): Date | null {
    // The solar day of a place begins up to half a day before or after the solar day of Greenwich.
    for (let day = -2; day < horizonDays; day++) {
      const times = getTimes(new Date(after.getTime() + day * dayMs), this.latitude, this.longitude);
      const at = times[sunTimes[this.event]]?.getTime() ?? Number.NaN;
      if (Number.isNaN(at) || !this.#isThere(at)) continue;
      const due = Math.floor(at / 1000) * 1000;
      if (due > after.getTime()) return new Date(due);
    }
    return null;
  }

  /** Whether the event really happens: where the sun only grazes the angle, once a year near the poles, the library's time is hours wrong. */
  #isThere(at: number): boolean {
    const expected = degreesOf[this.event];
    if (expected === null) return true;
    const { altitude } = getPosition(new Date(at), this.latitude, this.longitude);
    return Math.abs(altitude - expected) < 2;
  }

  toJSON(): SolarJson {
    const { event, latitude, longitude } = this;
    return { type: 'solar', event, latitude, longitude };
  }

  toString(): string {
    return `${this.event} at ${this.latitude}, ${this.longitude}`;
  }
}

const dayMs = 86_400_000;
/** Longer than any polar night: at the poles the sun rises once a year. */
const horizonDays = 400;

const sunTimes: Readonly<Record<SolarEvent, SunTimeName | 'solarNoon'>> = {
  dawn_astronomical: 'nightEnd',
  dawn_nautical: 'nauticalDawn',
  dawn_civil: 'dawn',
  sunrise: 'sunrise',
  solar_noon: 'solarNoon',
  sunset: 'sunset',
  dusk_civil: 'dusk',
  dusk_nautical: 'nauticalDusk',
  dusk_astronomical: 'night',
};

/** The angle of the sun above the horizon at each event, in degrees. */
const degreesOf: Readonly<Record<SolarEvent, number | null>> = {
  dawn_astronomical: -18,
  dawn_nautical: -12,
  dawn_civil: -6,
  sunrise: -0.833,
  solar_noon: null,
  sunset: -0.833,
  dusk_civil: -6,
  dusk_nautical: -12,
  dusk_astronomical: -18,
};

function check(degrees: number, most: number, what: string): void {
  if (typeof degrees !== 'number' || !(Math.abs(degrees) <= most))
    throw new ConfigError(`solar: the ${what} must be from -${most} to ${most} degrees, not ${degrees}`);
}
