// Every page in Chromium when much has happened: 100,000 tasks have ended, 100,000 wait, thousands have failed.
import { describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chord } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { every } from '../../src/schedules/every.ts';
import { launchChromium, noChromium } from '../chromium.ts';
import { onRedis } from '../interop/harness/servers.ts';
import { needs } from '../needs.ts';
import { noRedis } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newFolder, newHistory, startWorker } from '../worker/bench.ts';
import { firstVisit, watchedPage } from './watched-page.ts';

const many = 100_000;
const batch = 5_000;
const failing = 3_000;
const dead = 500;

needs(describe, noRedis ?? noChromium)('the pages of 100,000 tasks', () => {
  it('open without a fault, in both themes, and fit a phone', async () => {
    const { typescript } = await onRedis('in the same database');
    const app = new App('shop', {
      ...typescript,
      historyStore: await newHistory(),
      taskSendSentEvent: true,
    });
    onTestFinished(() => app.close());
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const sum = app.task('shop.sum', (all: readonly number[]) => all.length);
    const charge = app.task('shop.charge', { concurrency: { limit: 50 } }, (n: number) => {
      if (n % 3 === 0) throw new RangeError(`card ${n} declined`);
      if (n % 3 === 1) throw new TypeError('no card');
      throw new Error(`bank ${n % 7} is away`);
    });
    const refuse = app.task('shop.refuse', () => {
      throw new Reject('not today');
    });
    for (let n = 1; n <= 50; n++) app.schedule(`pulse ${n}`, every('1m'), add.s(1, n));
    const dashboard = new Dashboard(app, { port: 0 });
    onTestFinished(() => dashboard.stop());
    await dashboard.start();
    await until(async () => (await app.history.status()).recordedUntil !== null, 'the dashboard to listen');
    await startWorker(app, { name: 'w1@here', concurrency: 100, taskEvents: true });

    const result = await chord(
      Array.from({ length: 500 }, (_, n) => add.s(n, 1)),
      sum.s(),
    ).delay();
    expect(await result.get(patience)).toBe(500);
    const known = async (query: string): Promise<number> =>
      Object.values(await app.history.counts(query)).reduce((a, b) => a + b, 0);
    // Not faster than the dashboard reads: Redis disconnects a listener for which too much waits.
    for (let sent = 0; sent < many; sent += batch) {
      await add.applyMany(Array.from({ length: batch }, (_, n) => [sent + n, 1] as const));
      await until(async () => (await known('state:success')) >= sent + batch, `${sent + batch} to end`);
    }
    await charge.applyMany(Array.from({ length: failing }, (_, n) => [n] as const));
    await refuse.applyMany(Array.from({ length: dead }, () => [] as const));
    await until(async () => (await known('state:failure')) === failing, 'all failures');
    for (let sent = 0; sent < many; sent += batch)
      await add.applyMany(
        Array.from({ length: batch }, (_, n) => [n, 1] as const),
        { queue: 'later' },
      );
    await until(async () => (await known('queue:later')) === many, 'those that wait');

    const [failed, waiting] = await Promise.all(
      ['state:failure', 'queue:later'].map(async (query) => (await app.history.list(query)).tasks[0]?.id),
    );
    const root = (await app.history.get(result.id))?.rootId;
    const paths: readonly (readonly [path: string, text: string])[] = [
      ['/', 'Last hour'],
      ['/tasks', 'shop.add'],
      ['/tasks?q=state:failure', 'shop.charge'],
      ['/tasks?q=name:shop.c*', 'shop.charge'],
      [`/tasks/${failed}`, 'shop.charge'],
      [`/tasks/${waiting}`, 'later'],
      [`/workflows/${root}`, '501 of 501 tasks have ended; the first and the last are shown, 500 in all'],
      [`/workflows/${root}?view=times`, 'shop.sum'],
      ['/failures', 'no card'],
      ['/jobs', 'There is no job'],
      ['/queues', 'later'],
      ['/queues/later', 'shop.add'],
      ['/queues/celery?tab=held', 'No worker reports'],
      ['/workers', 'w1@here'],
      ['/workers/w1@here?tab=tasks', 'shop.add'],
      ['/workers/w1@here?tab=limits', 'shop.add'],
      ['/schedules', 'pulse 50'],
      ['/schedules?tab=calendar', 'pulse'],
      ['/limits', 'shop.charge'],
      ['/dead', 'not today'],
      ['/doctor', 'later'],
      ['/doctor?tab=tasks', 'shop.charge'],
      ['/audit', 'Nobody has done anything yet'],
    ];
    const browser = await launchChromium(await newFolder());
    onTestFinished(() => browser.close());
    expect((await firstVisit(browser, `${dashboard.url}/`)).bytes).toBeLessThanOrEqual(200_000);
    const watched = await watchedPage(browser);
    const wrongs: string[] = [];
    for (const [path, text] of paths) {
      await watched.open(`${dashboard.url}${path}`);
      await watched.page.locator('main').getByText(text).filter({ visible: true }).first().waitFor();
      const faults = await watched.faultsInBoth(`full ${path}`);
      wrongs.push(...faults.map((fault) => `${path}: ${fault}`));
    }
    expect([...wrongs, ...watched.wrongs]).toEqual([]);
  }, 900_000);
});
