// A crontab against the walk over every minute, in the zones of the runtime. The long run: all zones, ten years, twenty crontabs in
// each (about a quarter of an hour).
import { expect, test } from 'vitest';
import { crontab } from '../../src/schedules/crontab.ts';
import { isLong, scaled, seed } from '../run/scale.ts';
import { patienceMs } from '../until.ts';
import { dueMinutes, type Wall, wallOf } from './oracle.ts';
import { type RandomSpec, randomFrom, randomSpec } from './random-spec.ts';

/** Half an hour, two hours, midnights, no-one's offsets, whole days: those who break schedulers. */
const killers = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Europe/Dublin',
  'Australia/Lord_Howe',
  'Antarctica/Troll',
  'Pacific/Chatham',
  'Pacific/Apia',
  'America/Santiago',
  'America/Asuncion',
  'America/Havana',
  'Africa/Casablanca',
  'Africa/Cairo',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Tehran',
  'Asia/Kathmandu',
  'Asia/Pyongyang',
  'America/Caracas',
  'America/St_Johns',
  'America/Nuuk',
  'Europe/Volgograd',
];
const others = Intl.supportedValuesOf('timeZone').filter((zone) => !killers.includes(zone));
/** An hour, half an hour, two hours, a day that was not; in years in which it happened. */
const smoke = new Map([
  ['America/New_York', 2026],
  ['Australia/Lord_Howe', 2026],
  ['Antarctica/Troll', 2026],
  ['Pacific/Apia', 2011],
]);
const zones = isLong ? [...killers, ...others] : [...smoke.keys()];
const years = scaled(1, 10);
const specs = scaled(6, 20);

test(`in ${zones.length} zones, ${specs} crontabs each, nothing is due but what the clock on the wall says (seed ${seed})`, {
  timeout: isLong ? 3 * 3_600_000 : 1.5 * patienceMs,
}, () => {
  const random = randomFrom(seed);
  const differences: string[] = [];
  let checked = 0;
  for (const zone of zones) {
    // Some years have rare shifts: Apia lost a day in 2011, Caracas half an hour in 2016.
    const year = isLong ? 2008 + Math.floor(random() * 20) : (smoke.get(zone) ?? 2026);
    const from = new Date(Date.UTC(year, 0, 1));
    const wall = wallOf(zone, from, new Date(Date.UTC(year + years, 0, 1)));
    for (let n = 0; n < specs; n++) {
      const spec = randomSpec(random);
      const { wrong, count } = compare(zone, wall, spec);
      checked += count;
      differences.push(...wrong);
    }
  }
  expect(differences.slice(0, 10)).toEqual([]);
  expect(checked).toBeGreaterThan(zones.length * 100);
  if (isLong) console.log(`${zones.length} zones, ${zones.length * specs} crontabs, ${checked} due times`);
});

const most = 20_000;

/** Sparse ones from end to end; dense ones three days around each move of the clocks, and in a month without. */
function compare(zone: string, wall: Wall, spec: RandomSpec): { wrong: string[]; count: number } {
  const schedule = crontab(spec.text, { timezone: zone });
  const due = dueMinutes(spec.fields, wall);
  const end = wall.from + wall.local.length;
  const windows: (readonly [number, number])[] =
    due.length <= most
      ? [[wall.from, end]]
      : [...wall.moves.map((move) => [move - 2160, move + 2160] as const), [wall.from, wall.from + 10_000]];
  const wrong: string[] = [];
  let count = 0;
  for (const [start, stop] of windows) {
    let index = lowerBound(due, start);
    let after = new Date(start * 60_000 - 1);
    for (;;) {
      const expected = due[index];
      const next = schedule.next(after);
      const got = next === null ? undefined : next.getTime() / 60_000;
      const ended = expected === undefined || expected >= Math.min(stop, end);
      if (ended && (got === undefined || got >= Math.min(stop, end))) break;
      count++;
      if (got !== expected) {
        wrong.push(
          `${zone} '${spec.text}' after ${after.toISOString()}: ${shown(got)}, not ${shown(expected)}`,
        );
        break;
      }
      after = next ?? after;
      index++;
    }
  }
  return { wrong, count };
}

function shown(minute: number | undefined): string {
  return minute === undefined ? 'never' : new Date(minute * 60_000).toISOString();
}

function lowerBound(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
