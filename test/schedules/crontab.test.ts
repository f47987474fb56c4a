import { expect, test } from 'vitest';
import { readField } from '../../src/schedules/cron-fields.ts';
import { crontab } from '../../src/schedules/crontab.ts';
import { Zone } from '../../src/schedules/zone.ts';

const at = (text: string): Date => new Date(text);
/** The next so many times. */
const times = (spec: string, timezone: string, after: string, count: number): string[] => {
  const schedule = crontab(spec, { timezone });
  const due: string[] = [];
  for (let time = at(after); due.length < count; ) {
    const next = schedule.next(time);
    if (next === null) break;
    due.push(next.toISOString().replace(':00.000Z', 'Z'));
    time = next;
  }
  return due;
};

test.each([
  ['minute', '*/15', [0, 15, 30, 45]],
  ['minute', '5', [5]],
  ['minute', 7, [7]],
  ['minute', '1-10/3', [1, 4, 7, 10]],
  ['minute', '50-10/10', [0, 10, 50]],
  ['minute', [3, '10-12', 3], [3, 10, 11, 12]],
  ['hour', '22-2', [0, 1, 2, 22, 23]],
  ['dayOfMonth', '*/2', [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]],
  ['dayOfWeek', 'fri-mon', [0, 1, 5, 6]],
  ['dayOfWeek', 'Monday,WED', [1, 3]],
  ['dayOfWeek', '1-5', [1, 2, 3, 4, 5]],
  ['monthOfYear', 'jan,september', [1, 9]],
  ['monthOfYear', 'nov-feb', [1, 2, 11, 12]],
  ['monthOfYear', '*/3', [1, 4, 7, 10]],
] as const)('%s %j is %j', (name, field, values) => {
  expect(readField(name, field)).toEqual(values);
});

test.each([
  ['minute', '60', "crontab: '60' is no minute: it must be from 0 to 59"],
  ['dayOfWeek', '7', 'it must be from 0 to 6; Sunday is 0, as in Celery'],
  ['dayOfMonth', '0', 'it must be from 1 to 31'],
  ['minute', '5/10', "a step needs a range, as in '5-59/10' or '*/10'"],
  ['minute', '*/0', 'the step must be at least 1'],
  ['minute', 'mon', "'mon' is not a number"],
  ['monthOfYear', 'foo', "'foo' is not a number or a name like 'feb'"],
  ['hour', '1,,2', "write '*', '5'"],
  ['hour', '-1', "write '*', '5'"],
  ['hour', 1.5, 'it must be from 0 to 23'],
  ['hour', [], 'it has no value'],
] as const)('%s %j is refused: %s', (name, field, message) => {
  expect(() => readField(name, field)).toThrow(message);
});

test('five fields are needed, in the order of a crontab file', () => {
  expect(crontab('1 2 3 4 5').toJSON()).toEqual({
    type: 'crontab',
    minute: '1',
    hour: '2',
    dayOfMonth: '3',
    monthOfYear: '4',
    dayOfWeek: '5',
  });
  expect(() => crontab('* * * *')).toThrow("'* * * *' has not five fields");
  expect(() => crontab('0 * * * * *')).toThrow('has not five fields');
  expect(() => crontab('@daily')).toThrow('has not five fields');
});

test('fields by name, also by those of Celery; what is not given is every', () => {
  expect(String(crontab({ hour: 3, day_of_week: 'mon' }))).toBe('* 3 * * mon');
  expect(String(crontab({ minute: [0, 30], dayOfMonth: 1 }))).toBe('0,30 * 1 * *');
  expect(() => crontab({ hours: 3 } as object)).toThrow(
    "unknown option 'hours' in crontab; did you mean 'hour'?",
  );
});

test('what is never due is refused when it is made', () => {
  expect(() => crontab('0 0 30 2 *')).toThrow('is never due');
  expect(() => crontab('0 0 31 4,6,9,11 *')).toThrow('is never due');
  expect(crontab('0 0 29 2 mon').next(at('2097-01-01T00:00Z'))).toEqual(at('2112-02-29T00:00Z'));
});

test('day of month and day of week must both match', () => {
  expect(times('0 0 13 * fri', 'UTC', '2026-01-01T00:00Z', 3)).toEqual([
    '2026-02-13T00:00Z',
    '2026-03-13T00:00Z',
    '2026-11-13T00:00Z',
  ]);
});

test('it is due after the given time, not at it, and at full minutes', () => {
  const hourly = crontab('0 * * * *');
  expect(hourly.next(at('2026-01-01T05:00:00.000Z'))).toEqual(at('2026-01-01T06:00Z'));
  expect(hourly.next(at('2026-01-01T04:59:59.999Z'))).toEqual(at('2026-01-01T05:00Z'));
  expect(hourly.next(at('2026-01-01T05:00:00.001Z'))).toEqual(at('2026-01-01T06:00Z'));
  expect(crontab('* * * * *').next(at('2026-01-01T05:00:30Z'))).toEqual(at('2026-01-01T05:01Z'));
});

test('without a zone of its own it is due by the clocks of the application', () => {
  const context = { timezone: 'Asia/Tokyo', since: new Date(0) };
  expect(crontab('0 9 * * *').next(at('2026-01-01T00:00Z'), context)).toEqual(at('2026-01-02T00:00Z'));
  expect(crontab('0 9 * * *', { timezone: 'UTC' }).next(at('2026-01-01T00:00Z'), context)).toEqual(
    at('2026-01-01T09:00Z'),
  );
  expect(() => crontab('0 9 * * *', { timezone: 'Mars/Olympus' })).toThrow(
    "there is no time zone 'Mars/Olympus'",
  );
});

test.each([
  // The clocks skip 02:00-03:00: due at the jump, once, also where several times are skipped.
  [
    'New York in spring',
    '30 2 * * *',
    'America/New_York',
    '2026-03-07T12:00Z',
    ['2026-03-08T07:00Z', '2026-03-09T06:30Z'],
  ],
  [
    'several skipped',
    '*/10 2 * * *',
    'America/New_York',
    '2026-03-08T06:59Z',
    ['2026-03-08T07:00Z', '2026-03-09T06:00Z'],
  ],
  // 01:30 comes twice: the first time.
  [
    'New York in autumn',
    '30 1 * * *',
    'America/New_York',
    '2026-10-31T12:00Z',
    ['2026-11-01T05:30Z', '2026-11-02T06:30Z'],
  ],
  // Every hour: real time.
  [
    'hourly in spring',
    '30 * * * *',
    'America/New_York',
    '2026-03-08T06:00Z',
    ['2026-03-08T06:30Z', '2026-03-08T07:30Z'],
  ],
  [
    'hourly in autumn',
    '30 * * * *',
    'America/New_York',
    '2026-11-01T05:00Z',
    ['2026-11-01T05:30Z', '2026-11-01T06:30Z', '2026-11-01T07:30Z'],
  ],
  // Half an hour: 02:00 is followed by 02:30, and 02:00 by 01:30.
  [
    'Lord Howe in spring',
    '15 2 * * *',
    'Australia/Lord_Howe',
    '2026-10-03T12:00Z',
    ['2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  ],
  [
    'Lord Howe in autumn',
    '45 1 * * *',
    'Australia/Lord_Howe',
    '2026-04-04T12:00Z',
    ['2026-04-04T14:45Z', '2026-04-05T15:15Z'],
  ],
  // Two hours at once.
  [
    'Troll in spring',
    '30 2 * * *',
    'Antarctica/Troll',
    '2026-03-28T12:00Z',
    ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  ],
  [
    'Troll in autumn',
    '30 1 * * *',
    'Antarctica/Troll',
    '2026-10-24T12:00Z',
    ['2026-10-24T23:30Z', '2026-10-26T01:30Z'],
  ],
  // Offsets with three quarters of an hour.
  [
    'Chatham in spring',
    '0 3 * * *',
    'Pacific/Chatham',
    '2026-09-25T20:00Z',
    ['2026-09-26T14:00Z', '2026-09-27T13:15Z'],
  ],
  // A day that was not: 30 December 2011.
  [
    'Apia loses a day',
    '0 9 30 12 *',
    'Pacific/Apia',
    '2011-12-01T00:00Z',
    ['2011-12-30T10:00Z', '2012-12-29T19:00Z'],
  ],
  [
    'Apia, each day',
    '0 12 * * *',
    'Pacific/Apia',
    '2011-12-29T00:00Z',
    ['2011-12-29T22:00Z', '2011-12-30T10:00Z', '2011-12-30T22:00Z'],
  ],
  // Midnight is skipped: due at 01:00, the moment of the jump.
  [
    'Santiago at midnight',
    '0 0 * * *',
    'America/Santiago',
    '2026-09-05T12:00Z',
    ['2026-09-06T04:00Z', '2026-09-07T03:00Z'],
  ],
  [
    'Santiago gets 23 o’clock twice',
    '30 23 * * *',
    'America/Santiago',
    '2026-04-04T12:00Z',
    ['2026-04-05T02:30Z', '2026-04-06T03:30Z'],
  ],
  // Summer time is the standard there.
  [
    'Dublin in spring',
    '30 1 * * *',
    'Europe/Dublin',
    '2026-03-28T12:00Z',
    ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  ],
  // Ramadan: the clocks go back and forth within five weeks.
  [
    'Casablanca',
    '30 2 * * *',
    'Africa/Casablanca',
    '2026-02-14T12:00Z',
    ['2026-02-15T01:30Z', '2026-02-16T02:30Z'],
  ],
  [
    'Casablanca after it',
    '30 2 * * *',
    'Africa/Casablanca',
    '2026-03-21T12:00Z',
    ['2026-03-22T02:00Z', '2026-03-23T01:30Z'],
  ],
  [
    'Kathmandu',
    '0 0 * * *',
    'Asia/Kathmandu',
    '2026-01-01T00:00Z',
    ['2026-01-01T18:15Z', '2026-01-02T18:15Z'],
  ],
])('%s: %s', (_, spec, timezone, after, due) => {
  expect(times(spec, timezone, after, due.length)).toEqual(due);
});

test('a zone shows the offset of each moment, and when clocks first show a time', () => {
  const zone = Zone.named('Europe/Berlin');
  expect(zone.offset(Date.parse('2026-01-01T00:00Z'))).toBe(3_600_000);
  expect(zone.offset(Date.parse('2026-03-29T00:59:59.999Z'))).toBe(3_600_000);
  expect(zone.offset(Date.parse('2026-03-29T01:00Z'))).toBe(7_200_000);
  expect(zone.resolve(Date.parse('2026-03-29T02:30Z'))).toBe(Date.parse('2026-03-29T01:00Z'));
  expect(zone.resolve(Date.parse('2026-10-25T02:30Z'))).toBe(Date.parse('2026-10-25T00:30Z'));
  // Long ago clocks showed the sun.
  expect(zone.offset(Date.parse('1880-01-01T00:00Z'))).toBe((53 * 60 + 28) * 1000);
});
