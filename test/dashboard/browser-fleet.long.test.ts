// Each page in Chromium over brokers that Python's workers and ours share.
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
import { patience, until } from '../until.ts';
import { newFolder, newHistory, startWorker } from '../worker/bench.ts';
import { watchedPage } from './watched-page.ts';

/** Of the page of a worker. */
const tabs = ['pool', 'broker', 'queues', 'tasks', 'limits', 'config', 'system', 'other'];

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
      const [letter] = await app.deadLetters.find({});
      const root = chorded === null ? failed.id : ((await app.history.get(chorded.id))?.rootId ?? '');
      const paths = [
        ...['/', '/tasks', `/tasks/${failed.id}`, `/tasks/${pythons}`, `/workflows/${root}`],
        ...[`/workflows/${root}?view=times`, '/failures', '/jobs', '/queues', '/queues/celery'],
        ...['/queues/later', '/queues/python?tab=held', '/queues/celery?tab=scheduled', '/workers'],
        ...['ts@here', 'py@here'].flatMap((each) => tabs.map((tab) => `/workers/${each}?tab=${tab}`)),
        ...[
          '/schedules',
          '/schedules?tab=calendar',
          '/limits',
          '/limits?tab=locks',
          '/dead',
          `/dead/${letter}`,
        ],
        ...['/doctor', '/doctor?tab=tasks', '/audit', '/tasks/nobody', '/nowhere'],
      ];
      const browser = await launchChromium(await newFolder());
      onTestFinished(() => browser.close());
      const watched = await watchedPage(browser, /\/api\/v1\//);
      const wrongs: string[] = [];
      for (const path of paths) {
        await watched.open(`${dashboard.url}${path}`);
        const faults = await watched.faultsInBoth(`${name} ${path}`);
        wrongs.push(...faults.map((fault) => `${path}: ${fault}`));
      }
      expect([...wrongs, ...watched.wrongs]).toEqual([]);
    }, 600_000);
  });
