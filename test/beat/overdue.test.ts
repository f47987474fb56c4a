import { expect, test } from 'vitest';
import { resolvePolicy } from '../../src/app/schedule.ts';
import { overdue } from '../../src/beat/overdue.ts';
import { jitterOf, runId } from '../../src/beat/run-id.ts';
import type { SchedulePolicy } from '../../src/config/beat-schedule.ts';
import { crontab } from '../../src/schedules/crontab.ts';
import { every } from '../../src/schedules/every.ts';
import { plainContext, type Schedule } from '../../src/schedules/schedule.ts';

const minute = 60_000;
const year = 365 * 24 * 60 * minute;
const policy = (given: SchedulePolicy) => resolvePolicy(given, 'the test');
const decide = (
  schedule: Schedule,
  afterMs: number,
  nowMs: number,
  given: SchedulePolicy = {},
  sendAt: (due: number) => number = (due) => due,
) => overdue(schedule, plainContext, afterMs, nowMs, policy(given), sendAt);

test('before its time nothing is sent, at its time it is', () => {
  expect(decide(every(10), 0, 9_999)).toEqual({ runs: [], skipped: null });
  expect(decide(every(10), 0, 10_000)).toEqual({ runs: [10_000], skipped: null });
});

test('of several missed runs the last is sent, the others are left out', () => {
  expect(decide(every(10), 0, 45_000)).toEqual({
    runs: [40_000],
    skipped: { fromMs: 10_000, untilMs: 30_000, reason: 'missed' },
  });
});

test('with all, each is sent, oldest first', () => {
  expect(decide(every(10), 0, 45_000, { missed: 'all' })).toEqual({
    runs: [10_000, 20_000, 30_000, 40_000],
    skipped: null,
  });
});

test('with all and a limit, the latest are sent', () => {
  expect(decide(every(10), 0, 45_000, { missed: 'all', missedLimit: 2 })).toEqual({
    runs: [30_000, 40_000],
    skipped: { fromMs: 10_000, untilMs: 20_000, reason: 'missed' },
  });
});

test('with skip, a run that is later than a takeover takes is left out', () => {
  expect(decide(every(60), 0, 65_000, { missed: 'skip' }).runs).toEqual([60_000]);
  expect(decide(every(60), 0, 80_000, { missed: 'skip' })).toEqual({
    runs: [],
    skipped: { fromMs: 60_000, untilMs: 60_000, reason: 'later than its starting deadline' },
  });
});

test('a starting deadline leaves out what is later, of all and of the last', () => {
  expect(decide(every(10), 0, 45_000, { missed: 'all', startingDeadline: 20 })).toEqual({
    runs: [30_000, 40_000],
    skipped: { fromMs: 10_000, untilMs: 20_000, reason: 'later than its starting deadline' },
  });
  expect(decide(every(60), 0, 75_000, { startingDeadline: 10 })).toEqual({
    runs: [],
    skipped: { fromMs: 60_000, untilMs: 60_000, reason: 'later than its starting deadline' },
  });
});

test.each([
  ['every 100 ms', every('100ms')],
  ['every minute by the clock', crontab('* * * * *')],
])('after a year without a beat, %s makes no storm and takes no time', (_, schedule) => {
  let asked = 0;
  const counted: Schedule = {
    next: (after, context) => {
      asked++;
      return schedule.next(after, context);
    },
    toString: () => String(schedule),
  };
  const { runs, skipped } = decide(counted, 0, year + 30);
  expect(runs).toEqual([year]);
  expect(skipped?.fromMs).toBe(schedule.next(new Date(0))?.getTime());
  const all = decide(counted, 0, year, { missed: 'all' });
  expect(all.runs).toHaveLength(100);
  expect(all.runs.at(-1)).toBe(year);
  expect(asked).toBeLessThan(2000);
});

test('the runs that are sent and those that are left out follow each other without a gap', () => {
  for (const missed of ['last', 'all', 'skip'] as const) {
    for (let now = 0; now < 200; now++) {
      const { runs, skipped } = decide(every(10), 0, now * 1000, { missed, missedLimit: 3 });
      const until = Math.max(skipped?.untilMs ?? 0, ...runs);
      expect(until).toBe(Math.floor(now / 10) * 10_000);
      if (skipped !== null && runs.length > 0) expect(skipped.untilMs).toBe((runs[0] ?? 0) - 10_000);
    }
  }
});

test('with jitter a run is sent later by a fixed time, and none is lost', () => {
  const sendAt = (due: number): number => due + jitterOf(runId('app', 'name', due), 30_000);
  const sent: number[] = [];
  let after = 0;
  for (let now = 0; now <= 600_000; now += 500) {
    for (const due of decide(every(10), after, now, { missed: 'all', jitter: 30 }, sendAt).runs) {
      expect(now).toBeGreaterThanOrEqual(sendAt(due));
      sent.push(due);
      after = due;
    }
  }
  expect(sent).toEqual(Array.from({ length: sent.length }, (_, index) => (index + 1) * 10_000));
  expect(sent.length).toBeGreaterThanOrEqual(57);
});

test("a schedule of one's own that does not go on is never due, instead of being sent without end", () => {
  const stuck: Schedule = { next: (after) => after, toString: () => 'stuck' };
  expect(decide(stuck, 0, 10_000)).toEqual({ runs: [], skipped: null });
});

test('the id of a run is made of application, schedule and due time, and begins with its time', () => {
  const id = runId('app', 'name', 1_700_000_000_000);
  expect(id).toBe(runId('app', 'name', 1_700_000_000_000));
  expect(id).toMatch(/^018bcfe5-6800-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const others = [
    runId('app', 'name', 1_700_000_000_001),
    runId('app', 'other', 1_700_000_000_000),
    runId('other', 'name', 1_700_000_000_000),
    runId('appn', 'ame', 1_700_000_000_000),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});

test('jitter is spread evenly between nothing and all of it', () => {
  const values = Array.from({ length: 10_000 }, (_, n) => jitterOf(runId('a', 'b', n * 1000), 60_000));
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(60_000);
  expect(values.reduce((a, b) => a + b) / values.length / 60_000).toBeCloseTo(0.5, 1);
});
