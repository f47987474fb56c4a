// Each page in Chromium over brokers that Python's workers and ours share.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chord } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { every } from '../../src/schedules/every.ts';
import { launchChromium, noChromium } from '../chromium.ts';
import { PythonWorker } from '../interop/harness/python-worker.ts';
import { onRabbit, onRedis } from '../interop/harness/servers.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { patience, patienceMs, until } from '../until.ts';
import { newFolder, newHistory, startWorker } from '../worker/bench.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Where pictures of the pages are put, for people to look at. */
const pictures = process.env.UMBEL_TEST_PICTURES;

const brokers = [
  { name: 'Redis', missing: noRedis, servers: () => onRedis('in the same database') },
  {
    name: 'RabbitMQ, with results in Redis',
    missing: noRabbit ?? noRedis,
    servers: () => onRabbit('in Redis'),
  },
  { name: 'RabbitMQ, with results by rpc', missing: noRabbit, servers: () => onRabbit('by rpc') },
];

for (const { name, missing, servers } of brokers)
  needs(describe, missing ?? noChromium ?? noPython)(`the pages over ${name}`, () => {
    it('open without a fault, with tasks of both languages, in both themes, and fit a phone', async () => {
      const { python, typescript } = await servers();
      const app = new App('shop', {
        ...typescript,
        historyStore: await newHistory(),
        taskSendSentEvent: true,
      });
      onTestFinished(() => app.close());
      const add = app.task('shop.add', (a: number, b: number) => a + b);
      const sum = app.task('shop.sum', (all: readonly number[]) => all.reduce((a, b) => a + b, 0));
      const charge = app.task('shop.charge', { maxRetries: 1 }, () => {
        throw new RangeError('card declined');
      });
      const refuse = app.task('shop.refuse', () => {
        throw new Reject('not today');
      });
      app.schedule('pulse', every('1h'), add.s(1, 2));
      const dashboard = new Dashboard(app, { port: 0, inspectTimeout: '5s' });
      onTestFinished(() => dashboard.stop());
      await dashboard.start();
      await until(async () => (await app.history.status()).recordedUntil !== null, 'the dashboard to listen');
      const worker = await PythonWorker.start({ settings: python, queues: ['python'], name: 'py@here' });
      onTestFinished(() => worker[Symbol.asyncDispose]());
      await startWorker(app, { name: 'ts@here', concurrency: 2, taskEvents: true });
      const failed = await charge.delay();
      await refuse.delay();
      const chorded =
        typescript.backend === 'rpc://' ? null : await chord([add.s(1, 2), add.s(3, 4)], sum.s()).delay();
      await add.applyAsync([5, 6], { countdown: 3_600 });
      await app.send('shop.unserved', [1], { queue: 'later' });
      let pythons = '';
      await until(async () => {
        pythons = (await app.send('py.add', [40, 2], { queue: 'python' })).id;
        const { tasks } = await app.history.list('name:py.add state:success worker:py@here');
        return tasks.length > 0;
      }, "the events of Python's worker");
      await until(async () => (await app.history.get(failed.id))?.state === 'FAILURE', 'the failure');
      if (chorded !== null) expect(await chorded.get(patience)).toBe(10);
      await until(async () => (await app.history.get(pythons))?.state === 'SUCCESS', "Python's task");
      const root = chorded === null ? failed.id : ((await app.history.get(chorded.id))?.rootId ?? '');
      const paths = [
        ...['/', '/tasks', `/tasks/${failed.id}`, `/tasks/${pythons}`, `/workflows/${root}`],
        ...[`/workflows/${root}?view=times`, '/failures', '/jobs', '/queues', '/queues/celery'],
        ...['/queues/later', '/queues/python?tab=held', '/queues/celery?tab=scheduled', '/workers'],
        ...['ts@here', 'py@here'].flatMap((each) =>
          ['', '?tab=tasks', '?tab=limits', '?tab=queues', '?tab=conf'].map(
            (tab) => `/workers/${each}${tab}`,
          ),
        ),
        ...['/schedules', '/schedules?tab=calendar', '/limits', '/limits?tab=locks', '/dead', '/dead/1'],
        ...['/doctor', '/doctor?tab=tasks', '/audit', '/tasks/nobody', '/nowhere'],
      ];
      const browser = await launchChromium(await newFolder());
      onTestFinished(() => browser.close());
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
      page.setDefaultTimeout(patienceMs);
      const wrongs: string[] = [];
      page.on('pageerror', (error) => wrongs.push(`${page.url()} threw ${error.message}`));
      for (const path of paths) wrongs.push(...(await wrongsOf(page, dashboard.url, path, name)));
      expect(wrongs).toEqual([]);
    }, 600_000);
  });

async function wrongsOf(page: Page, base: string, path: string, place: string): Promise<readonly string[]> {
  const wrongs: string[] = [];
  await page.goto(`${base}${path}`);
  await page.locator('main h1').waitFor();
  await page.locator('main .loading').waitFor({ state: 'detached' });
  await page.evaluate(axe);
  const look = async (theme: 'light' | 'dark', width: number): Promise<void> => {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height: 900 });
    const { violations } = await page.evaluate<AxeResults>(
      () => (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run(), // the script above has set it
    );
    wrongs.push(...violations.map(({ id, nodes }) => `${path}, ${theme}: ${id}: ${nodes[0]?.html}`));
    const wider = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
    if (wider > 0) wrongs.push(`${path}: ${wider} px wider than ${width} px`);
    if (pictures === undefined) return;
    const file = `${place} ${path} ${theme} ${width}`.replace(/[^\w@]+/g, '-');
    await page.screenshot({ path: join(pictures, `${file}.png`) });
  };
  await look('light', 1280);
  await look('dark', 360);
  return wrongs;
}
