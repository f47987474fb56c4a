// `umbel top`: what is counted, what is drawn, and the command.
import { expect, test } from 'vitest';
import { waitingSince } from '../../src/app/waiting-tasks.ts';
import { Rates } from '../../src/cli/monitor/rates.ts';
import type { Sample } from '../../src/cli/monitor/sample.ts';
import { drawTop } from '../../src/cli/monitor/top-view.ts';
import { shortCount, shortTime } from '../../src/cli/terminal/short.ts';
import { plain, widthOf } from '../../src/cli/terminal/text.ts';
import { timeOfId, uuid7 } from '../../src/lib/uuid.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { project, shop, umbel, workerOf } from './harness.ts';

const now = Date.UTC(2026, 10, 21, 12, 0, 0);

function event(type: string, fields: object) {
  return { type, hostname: 'celery@eu1', timestamp: now / 1000, utcoffset: 0, pid: 1, clock: 1, ...fields };
}

const sample: Sample = {
  time: new Date(now),
  queues: [
    { name: 'celery', ready: 1_234_567, scheduled: 0, claimed: 8, oldest: 200 },
    { name: '画像を縮小する', ready: 0, scheduled: 12, claimed: 0, oldest: null },
  ],
  workers: [
    {
      name: 'celery@eu1',
      alive: true,
      active: 8,
      processed: 500,
      perSecond: 3.25,
      load: [0.5, 0.4, 0.3],
      software: 'js-umbel 0.1.0 Linux',
    },
    { name: 'celery@eu2', alive: false, active: 1, processed: 7, perSecond: null, load: [], software: '' },
  ],
  tasks: [{ name: 'shop.add', perSecond: 2, succeeded: 120, failed: 3, retried: 1, runtime: 0.0123 }],
  dead: 2,
  problem: null,
};

test.each([
  [80, 24],
  [200, 50],
  [40, 12],
  [20, 5],
])('at %i columns and %i lines the screen is filled exactly', (width, height) => {
  const lines = drawTop({ width, height, title: 'umbel top', sample, keys: 'q: quit' });
  expect(lines).toHaveLength(height);
  for (const line of lines) expect(widthOf(plain(line))).toBe(width);
});

test('the screen says how much waits, since when, who works, and what fails', () => {
  const lines = drawTop({ width: 80, height: null, title: 'umbel top', sample, keys: null });
  expect(lines.map((line) => plain(line).trimEnd())).toEqual([
    'umbel top · 12:00:00 UTC',
    'workers 1/2  waiting 1235k  scheduled 12  running 8  done 2.0/s  failed 3/min  …',
    '',
    'QUEUE                                      WAITING    OLDEST SCHEDULED      HELD',
    'celery                                       1235k     3m20s         0         8',
    '画像を縮小する                                   0         -        12         0',
    '',
    'WORKER                                     RUNNING      DONE    DONE/S      LOAD',
    'celery@eu1                                       8       500       3.3      0.50',
    'celery@eu2                                    away         7         -         -',
    '',
    'TASK, LAST MINUTE                   DONE    DONE/S    FAILED   RETRIED      MEAN',
    'shop.add                             120       2.0         3         1      12ms',
  ]);
});

test('what does not fit is counted', () => {
  const queues = Array.from({ length: 30 }, (_, n) => ({
    ...{ name: `queue${n}`, ready: 0, scheduled: 0, claimed: 0, oldest: null },
  }));
  const lines = drawTop({ width: 80, height: 24, title: 't', sample: { ...sample, queues }, keys: 'q' });
  const text = lines.map(plain);
  expect(text).toHaveLength(24);
  expect(text.join('\n')).toMatch(/… \d+ more/);
  expect(text.join('\n')).toContain('celery@eu2');
  expect(text.join('\n')).toContain('shop.add');
});

test('numbers and times are short', () => {
  expect([0.42, 9.99, 59, 61, 3599, 3600, 90_000].map(shortTime)).toEqual([
    ...['0.4s', '10.0s', '59s', '1m01s', '59m59s', '1h00m', '1d'],
  ]);
  expect([99_999, 123_456, 12_345_678].map(shortCount)).toEqual(['99999', '123k', '12M']);
});

test('rates count what ended within the last minute, by the name told when it was received', () => {
  const rates = new Rates(60_000);
  for (let n = 0; n < 20; n++) {
    const uuid = `task-${n}`;
    rates.add(event('task-received', { uuid, name: n < 15 ? 'a' : 'b' }), now);
    rates.add(event(n === 3 ? 'task-failed' : 'task-succeeded', { uuid, runtime: 0.5 }), now + n * 1000);
  }
  const [a, b] = rates.rates(now + 20_000);
  expect(a).toMatchObject({ name: 'a', succeeded: 14, failed: 1, runtime: 0.5, perSecond: 14 / 20 });
  expect(b).toMatchObject({ name: 'b', succeeded: 5, failed: 0 });
  expect(rates.rates(now + 74_000)).toMatchObject([{ name: 'b', succeeded: 5 }]);
  expect(rates.rates(now + 200_000)).toEqual([]);
});

/** One of our ids. (The process that has made one for the future makes none before it.) */
function idMadeAt(ms: number): string {
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

test('a message waits since it was made, which its id says, or since its ETA', () => {
  const begun = Date.now();
  expect(timeOfId(uuid7())).toBeGreaterThanOrEqual(begun);
  expect(timeOfId(idMadeAt(now))).toBe(now);
  expect(timeOfId('d9078da5-9915-40a0-bfa1-392c7bde42ed')).toBeNull(); // Python's
  expect(timeOfId('my-own-id')).toBeNull();
  const id = idMadeAt(now);
  const of = (headers: Record<string, unknown>) =>
    waitingSince({ headers, properties: { correlationId: id } as never }); // only that is looked at
  expect(of({ id, eta: '2020-01-01T00:00:00+00:00' })).toBe(now);
  expect(of({ id, eta: '2999-01-01T00:00:00+00:00' })).toBe(Date.UTC(2999, 0, 1));
  expect(of({})).toBe(now);
});

test('top --once shows what waits and for how long, and who works', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder);
  for (const queue of ['slow', 'slow'])
    await umbel(folder, ['-A', './app.js', 'call', 'shop.add', '-a', '[1, 2]', '-Q', queue]);
  const once = ['-A', './app.js', 'top', '--once', '-i', '500ms'];
  // A worker that tells of itself later than that is seen the next time.
  await expect
    .poll(async () => {
      const { code, stdout } = await umbel(folder, [...once, '--json']);
      return { code, ...JSON.parse(stdout) };
    })
    .toMatchObject({
      code: 0,
      queues: [
        { name: 'celery', ready: 0, oldest: null },
        { name: 'slow', ready: 2, oldest: expect.toSatisfy((seconds) => seconds > 0) },
      ],
      workers: [{ name: expect.stringMatching(/^celery@/), alive: true }],
    });
});

needs(test, noRedis)('on Redis it finds the oldest of all priorities', async () => {
  const redis = await RedisServerProcess.shared();
  const folder = project({ 'app.js': shop });
  const base = ['-b', redis.url()];
  for (const priority of ['9', '0'])
    await umbel(folder, [...base, 'call', 'shop.add', '--priority', priority]);
  const { stdout } = await umbel(folder, [...base, 'top', '--once', '-i', '200ms', '--json']);
  const { queues } = JSON.parse(stdout);
  expect(queues).toMatchObject([{ name: 'celery', ready: 2 }]);
  expect(queues[0].oldest).toBeGreaterThan(0.2); // the first of the two, whose priority is lower
});
