import { expect, test } from 'vitest';
import { crontab } from '../../src/schedules/crontab.ts';
import { every } from '../../src/schedules/every.ts';
import { scheduleFromJson } from '../../src/schedules/schedule-json.ts';
import { type SolarEvent, solar } from '../../src/schedules/solar.ts';
import { isLong, scaled } from '../run/scale.ts';

/** From New Year on: at the edge of the polar night it ends within these few. */
const days = scaled(60, 370);

const since = new Date('2026-01-01T10:07:03.250Z');
const context = { timezone: 'UTC', since };

test('an interval is counted from when the schedule came into force, the first after a whole one', () => {
  const tenMinutes = every('10m');
  expect(tenMinutes.next(since, context)).toEqual(new Date('2026-01-01T10:17:03.250Z'));
  expect(tenMinutes.next(new Date('2026-01-01T10:17:03.250Z'), context)).toEqual(
    new Date('2026-01-01T10:27:03.250Z'),
  );
  expect(tenMinutes.next(new Date('2025-01-01T00:00Z'), context)).toEqual(
    new Date('2026-01-01T10:17:03.250Z'),
  );
});

test('it does not drift: the millionth time is a million intervals later', () => {
  const tenth = every('100ms');
  const almost = new Date(since.getTime() + 99_999_950);
  expect(tenth.next(almost, context)?.getTime()).toBe(since.getTime() + 100_000_000);
});

test('by the clock it is counted from full hours, minutes and days', () => {
  expect(every('1h', { relative: true }).next(since, context)).toEqual(new Date('2026-01-01T11:00Z'));
  expect(every(30, { relative: true }).next(since, context)).toEqual(new Date('2026-01-01T10:07:30Z'));
  expect(every('1d', { relative: true }).next(since, context)).toEqual(new Date('2026-01-02T00:00Z'));
});

test.each([
  0,
  -1,
  0.001,
  Number.NaN,
  Number.POSITIVE_INFINITY,
])('an interval of %s s is refused', (seconds) => {
  expect(() => every(seconds)).toThrow(/the interval of 'every' must be/);
});

test.each([
  [every('10m'), 'every 10m'],
  [every(90), 'every 90s'],
  [every('1500ms'), 'every 1500ms'],
  [every('1h', { relative: true }), 'every 1h by the clock'],
  [crontab('30 2 * * mon', { timezone: 'Europe/Berlin' }), '30 2 * * mon Europe/Berlin'],
  [solar('sunset', 52.5, 13.4), 'sunset at 52.5, 13.4'],
])('%s has a form as data, and comes back from it', (schedule, shown) => {
  expect(String(schedule)).toBe(shown);
  const json: unknown = JSON.parse(JSON.stringify(schedule));
  const again = scheduleFromJson(json);
  expect(again.toJSON?.()).toEqual(json);
  const now = new Date('2026-06-01T00:00Z');
  expect(again.next(now, context)).toEqual(schedule.next(now, context));
});

test.each([
  [null, 'a schedule as data is an object'],
  [{ type: 'rrule' }, "'rrule' is no type of schedule"],
  [{ type: 'every' }, "'every' of a schedule must be a number"],
  [{ type: 'crontab', minute: [] }, "'minute' of a crontab must be text or a number"],
  [{ type: 'solar', event: 'noon', latitude: 1, longitude: 1 }, "there is no event 'noon'"],
])('%j is no schedule', (json, message) => {
  expect(() => scheduleFromJson(json)).toThrow(message);
});

const events: readonly SolarEvent[] = [
  'dawn_astronomical',
  'dawn_nautical',
  'dawn_civil',
  'sunrise',
  'solar_noon',
  'sunset',
  'dusk_civil',
  'dusk_nautical',
  'dusk_astronomical',
];

test('the events of a day follow each other as the sun goes', () => {
  const midnight = new Date('2026-03-20T23:00Z');
  const due = events.map((event) => solar(event, 52.52, 13.4).next(midnight)?.getTime() ?? 0);
  expect(due).toEqual([...due].sort((a, b) => a - b));
  expect(due.at(-1)).toBeLessThan(midnight.getTime() + 86_400_000);
});

test.each([
  -77.85, -33.9, 0, 21.3, 52.5, 69.6,
])('at %s degrees each event is due once a day, wherever east or west', (latitude) => {
  for (const longitude of isLong ? [-179.9, 13.4, 179.9] : [-179.9, 179.9]) {
    for (const event of events) {
      const schedule = solar(event, latitude, longitude);
      let before = schedule.next(new Date('2026-01-01T00:00Z'));
      for (let n = 0; n < days && before !== null; n++) {
        const next = schedule.next(before);
        if (next === null) break;
        const hours = (next.getTime() - before.getTime()) / 3_600_000;
        // About a day; at the edge of a polar night less than two, or months. Dusk wanders over midnight there.
        expect(hours, `${event} after ${before.toISOString()}`).toBeGreaterThan(20);
        before = next;
      }
    }
  }
});

test('in the polar night the next sunrise is that after it', () => {
  const next = solar('sunrise', 78.22, 15.65).next(new Date('2026-11-20T00:00Z'));
  expect(next?.toISOString().slice(0, 7)).toBe('2027-02');
});

test.each([
  [91, 0, 'latitude must be from -90 to 90'],
  [0, 181, 'longitude must be from -180 to 180'],
  [Number.NaN, 0, 'latitude must be from -90 to 90'],
])('a place at %s, %s is refused', (latitude, longitude, message) => {
  expect(() => solar('sunrise', latitude, longitude)).toThrow(message);
});
