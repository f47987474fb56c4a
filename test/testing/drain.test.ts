import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { App } from '../../src/app/app.ts';
import { ConfigError, TimeoutError } from '../../src/errors.ts';
import { drain } from '../../src/testing/drain.ts';

let app: App;
beforeEach(() => {
  app = new App('drained', { broker: 'memory://' });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await app.close();
});

test('drain runs all that was sent, and then the results are there', async () => {
  const add = app.task('add', (x: number, y: number) => x + y);
  const sums = await Promise.all([1, 2, 3].map((n) => add.delay(n, n)));
  await drain(app);
  expect(await Promise.all(sums.map((sum) => sum.ready()))).toEqual([true, true, true]);
  expect(await Promise.all(sums.map((sum) => sum.get({ timeout: 60 })))).toEqual([2, 4, 6]);
});

test('what tasks send is run, too, in whichever queue it is', async () => {
  const ran: string[] = [];
  const last = app.task('last', async () => void ran.push('last'));
  const middle = app.task('middle', async () => {
    ran.push('middle');
    await last.applyAsync([], { queue: 'three' });
  });
  const first = app.task('first', async () => {
    ran.push('first');
    await middle.applyAsync([], { queue: 'two', countdown: 0.02 });
  });
  await first.delay();
  await drain(app);
  expect(ran).toEqual(['first', 'middle', 'last']);
});

test('a task that fails does not stop the others', async () => {
  const fail = app.task('fail', () => {
    throw new Error('deliberate');
  });
  const fine = app.task('fine', () => 1);
  const [failed, well] = [await fail.delay(), await fine.delay()];
  await drain(app);
  expect([await failed.failed(), await well.successful()]).toEqual([true, true]);
});

test('drain says what is left when it takes too long, and gives it back', async () => {
  const later = app.task('later', () => 1);
  await later.applyAsync([], { countdown: '1d' });
  // An hour passes when it has begun.
  const clock = performance.now.bind(performance);
  let passedMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + passedMs);
  const hang = app.task('hang', () => {
    passedMs += 3_600_000;
    return new Promise<void>(() => {});
  });
  await hang.applyAsync([], { queue: 'slow' });
  await expect(drain(app, { timeout: 3600 })).rejects.toThrow(TimeoutError);
  await expect(drain(app, { timeout: '1h' })).rejects.toThrow(
    "there is still in 'celery': 1 scheduled; in 'slow': 1 claimed",
  );
  const broker = await app.broker();
  expect(await broker.size('slow')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
});

test('nothing to do is done at once', async () => {
  await drain(app);
});

test('a store that others may use is left alone, unless it is meant', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-drain-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'store.db');
  await using real = new App('real', { broker: `sqlite://${file}` });
  const ran: string[] = [];
  const task = real.task('charge', () => void ran.push('charge'));
  await expect(drain(real)).rejects.toThrow(ConfigError);
  expect(existsSync(file)).toBe(false);
  await task.delay();
  await expect(drain(real)).rejects.toThrow(
    /not the test's own \(sqlite:\).*UMBEL_BROKER_URL=memory:\/\/.*anyStore: true/,
  );
  expect(ran).toEqual([]);
  await drain(real, { anyStore: true, timeout: 60 });
  expect(ran).toEqual(['charge']);
});
