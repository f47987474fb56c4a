// Python Celery's own crontab and solar (Debian's) against ours, in UTC.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { crontab } from '../../src/schedules/crontab.ts';
import { type SolarEvent, solar } from '../../src/schedules/solar.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { scaled, seed } from '../run/scale.ts';
import { randomFrom, randomSpec } from './random-spec.ts';

const script = join(root, 'test', 'schedules', 'celery_schedules.py');
const count = scaled(60, 300);
const probe = spawnSync('/usr/bin/python3', ['-c', 'import celery, ephem']);
const missing = probe.status === 0 ? undefined : 'no python3-celery or python3-ephem';
if (missing !== undefined && process.env.CI) throw new Error(missing);

function ask<T>(questions: readonly object[]): T {
  const run = spawnSync('/usr/bin/python3', [script], {
    input: JSON.stringify(questions),
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as T; // written by the script beside
}

needs(test, missing)(
  `${count} random crontabs are due when Celery says, and 20 times in a row (seed ${seed})`,
  () => {
    const random = randomFrom(seed);
    const questions = Array.from({ length: count }, () => ({
      crontab: randomSpec(random).text,
      after: Math.floor(Date.UTC(2015, 0, 1) / 1000 + random() * 86_400 * 365 * 15),
      count: 20,
    }));
    const answers = ask<readonly (readonly number[])[]>(questions);
    const differences = questions.flatMap(({ crontab: text, after, count }, index) => {
      const schedule = crontab(text);
      const ours: number[] = [];
      for (let at = new Date(after * 1000); ours.length < count; ) {
        const next = schedule.next(at);
        if (next === null) break;
        ours.push(next.getTime() / 1000);
        at = next;
      }
      // Celery gives up after some years where we do not.
      const theirs = answers[index] ?? [];
      return theirs.every((time, n) => time === ours[n]) ? [] : [{ text, after, ours, theirs }];
    });
    expect(differences.slice(0, 3)).toEqual([]);
    expect(answers.flat().length).toBeGreaterThan(count * 16);
  },
);

needs(test, missing)('the sun stands where it stands for Celery, to two minutes', () => {
  const events: readonly SolarEvent[] = [
    'dawn_astronomical',
    'dawn_nautical',
    'dawn_civil',
    'sunrise',
    'solar_noon',
    'sunset',
    'dusk_civil',
    'dusk_nautical',
    // Not dusk_astronomical: Celery takes the sun 18 degrees above the horizon for it, not below.
  ];
  const places = [
    [52.52, 13.4],
    [-33.87, 151.21],
    [0, -78.5],
    [40.71, -74],
  ];
  const questions = events.flatMap((event) =>
    places.flatMap(([latitude, longitude]) =>
      ['2026-01-05T03:00Z', '2026-04-11T17:00Z', '2026-10-20T09:00Z'].map((after) => ({
        solar: event,
        latitude,
        longitude,
        after: Date.parse(after) / 1000,
      })),
    ),
  );
  const answers = ask<readonly (number | null)[]>(questions);
  expect(answers.filter((answer) => answer === null).length).toBeLessThan(5);
  const apart = questions.map(({ solar: event, latitude = 0, longitude = 0, after }, index) => {
    const ours =
      solar(event, latitude, longitude)
        .next(new Date(after * 1000))
        ?.getTime() ?? 0;
    const theirs = answers[index] ?? ours / 1000;
    return { event, latitude, longitude, after, seconds: Math.abs(ours / 1000 - theirs) };
  });
  expect(apart.filter(({ seconds }) => seconds > 120)).toEqual([]);
});
