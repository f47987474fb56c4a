// Actions pressed in Chromium, with their effect seen on the worker: on Redis and RabbitMQ, with a worker of each language.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Locator, Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { Control } from '../../src/control/control.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { poolSizeOf } from '../../src/protocol/pool-size.ts';
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
import type { MemoryLog } from '../worker/memory-log.ts';
import { watchedPage } from './watched-page.ts';

const brokers = [
  { name: 'Redis', missing: noRedis, servers: () => onRedis('in the same database'), counts: true },
  {
    name: 'RabbitMQ',
    missing: noRabbit ?? noRedis,
    servers: () => onRabbit('in Redis'),
    counts: false,
  },
];

interface Fleet {
  readonly app: App;
  readonly python: PythonWorker;
  /** Of our worker. */
  readonly log: MemoryLog;
  readonly page: Page;
  readonly dialog: Locator;
  readonly wrongs: readonly string[];
  open(path: string): Promise<void>;
  /** Presses a button of the page, and the one of the question that follows. The toast must have this text. */
  ask(button: string | RegExp, verb: string, outcome: string | RegExp): Promise<void>;
  said(text: string | RegExp): Promise<void>;
  /** What a worker replies. */
  told(worker: string, what: 'stats' | 'activeQueues'): Promise<unknown>;
  limitsOf(worker: string, task: string): Promise<string | undefined>;
}

/** Python's worker serves the queue `py`, ours `ts`. `isFlexible`: their pools can be restarted and choose their sizes, where there is that. `eventsOn`: the dashboard has switched on Python's events. */
async function newFleet(
  { python, typescript }: Awaited<ReturnType<typeof onRedis>>,
  { isFlexible = false, eventsOn = true } = {},
): Promise<Fleet> {
  const app = new App('shop', { ...typescript, historyStore: await newHistory(), taskSendSentEvent: true });
  onTestFinished(() => app.close());
  app.task('ts.add', { queue: 'ts' }, (a: number, b: number) => a + b);
  app.task('ts.sleep', { queue: 'ts', bind: true }, async (task, seconds: number) => {
    if (typeof seconds !== 'number') throw new TypeError(`${seconds} is no number`);
    await sleep(seconds * 1000, undefined, { signal: task.signal });
    return seconds;
  });
  app.task('ts.refuse', { queue: 'ts' }, () => {
    throw new Reject('not today');
  });
  app.schedule('pulse', every('12h'), app.signature('py.add', [20, 22]).set({ queue: 'py' }));
  const control = new Control(app);
  onTestFinished(() => control.close());
  const dashboard = new Dashboard(app, { port: 0, inspectTimeout: '5s', enableEvents: eventsOn });
  onTestFinished(() => dashboard.stop());
  await dashboard.start();
  await until(async () => (await app.history.status()).recordedUntil !== null, 'the dashboard to listen');
  const [pythons, { log }] = await Promise.all([
    PythonWorker.start({
      settings: { ...python, worker_pool_restarts: isFlexible },
      queues: ['py'],
      name: 'py@here',
      pool: 'prefork',
      ...(isFlexible ? { autoscale: '2,2' } : { concurrency: 2 }),
    }),
    startWorker(app, {
      name: 'ts@here',
      queues: ['ts'],
      ...(isFlexible ? { autoscale: { min: 2, max: 2 } } : { concurrency: 2 }),
    }),
  ]);
  onTestFinished(() => pythons[Symbol.asyncDispose]());
  if (eventsOn)
    await until(async () => {
      const { id } = await app.send('py.add', [1, 2], { queue: 'py' });
      await app.result(id).get(patience);
      return (await app.history.list('name:py.add state:success')).tasks.length > 0;
    }, "the events of Python's worker");
  const browser = await launchChromium(await newFolder());
  onTestFinished(() => browser.close());
  // A task that was sent a moment ago is not in the history yet; a wrong rate is refused, and so is a reschedule on RabbitMQ.
  const { page, open, wrongs } = await watchedPage(
    browser,
    /\/api\/v1\/(?:tasks\/[^/]+|control|waiting\/reschedule)$/,
  );
  const dialog = page.getByRole('dialog');
  const said = (text: string | RegExp): Promise<void> =>
    page.locator('.toast').filter({ hasText: text }).first().waitFor();
  return {
    app,
    python: pythons,
    log,
    page,
    dialog,
    wrongs,
    said,
    open: (path) => open(`${dashboard.url}${path}`),
    async ask(button, verb, outcome) {
      await page.getByRole('button', { name: button }).first().click();
      await dialog.getByRole('button', { name: verb, exact: true }).click();
      await said(outcome);
    },
    async told(name, what) {
      return (await control.inspect({ destination: [name], limit: 1, ...patience })[what]()).replies.get(
        name,
      );
    },
    async limitsOf(name, task) {
      const inspect = control.inspect({ destination: [name], limit: 1, ...patience });
      const { replies } = await inspect.registered('rate_limit', 'soft_time_limit', 'time_limit');
      return replies.get(name)?.find((each) => each.startsWith(`${task} `) || each === task);
    },
  };
}

/** The task's state in the history of the dashboard. */
async function stateIs(app: App, id: string, state: string): Promise<void> {
  let now: string | undefined;
  await until(
    async () => {
      now = (await app.history.get(id))?.state;
      return now === state;
    },
    () => `${id} to be ${state}, and not ${now}`,
  );
}

for (const { name, missing, servers, counts } of brokers)
  needs(describe, missing ?? noChromium ?? noPython)(`actions over ${name}`, () => {
    it('pool, limits and queues of each worker change, and it ends when it is told to', async () => {
      const fleet = await newFleet(await servers(), { eventsOn: false });
      const { app, page, said, ask, told } = fleet;
      const sizeIs = async (worker: string, size: number): Promise<void> => {
        await until(
          async () => poolSizeOf(await told(worker, 'stats')) === size,
          `${size} slots of ${worker}`,
        );
        await page.locator('.page-sub').getByText(`0/${size}`).waitFor();
      };
      const queuesOf = async (worker: string): Promise<unknown> =>
        ((await told(worker, 'activeQueues')) as { name: string }[]).map((queue) => queue.name);
      for (const [worker, lang] of [
        ['py@here', 'py'],
        ['ts@here', 'ts'],
      ] as const) {
        await fleet.open(`/workers/${worker}`);
        await page
          .getByRole('button', { name: /^(Events|Switch) on$/ })
          .first()
          .click();
        await said(/task events (already )?enabled/);
        const shown = await app.send(`${lang}.add`, [1, 2], { queue: lang });
        await stateIs(app, shown.id, 'SUCCESS');
        if (lang === 'py' && counts) {
          // Python's workers hold what has an eta. (On RabbitMQ what we send is delivered at its time.)
          const future = await app.send('py.add', [1, 2], { queue: 'py', countdown: 3_600 });
          await stateIs(app, future.id, 'RECEIVED');
          await fleet.open(`/tasks/${future.id}`);
          await page.getByRole('button', { name: 'Why is it not done?' }).click();
          await page.locator('main .warning').getByText("py@here has taken it from 'py'").waitFor();
          await fleet.open(`/workers/${worker}`);
        }
        await page.getByRole('spinbutton', { name: 'Slots' }).fill('2');
        await page.getByRole('button', { name: 'Grow', exact: true }).click();
        await said('pool will grow');
        await sizeIs(worker, 4);
        await page.getByRole('button', { name: 'Shrink', exact: true }).click();
        await said('pool will shrink');
        await sizeIs(worker, 2);
        await page.getByRole('button', { name: 'Autoscale', exact: true }).click();
        await said(/utoscale not enabled/);
        await ask('Restart the pool…', 'Restart', 'Pool restarts not enabled');

        await fleet.open(`/workers/${worker}?tab=limits`);
        const row = page.locator('tr', { has: page.getByRole('rowheader', { name: `${lang}.sleep` }) });
        const set = row.getByRole('button', { name: 'Set' });
        await row.getByLabel(/^Rate limit/).fill('soon');
        await set.first().click();
        await said('must be a rate like');
        await row.getByLabel(/^Rate limit/).fill('100/m');
        await set.first().click();
        await said('new rate limit set successfully');
        expect(await fleet.limitsOf(worker, `${lang}.sleep`)).toContain('rate_limit=100/m');
        await row.getByLabel(/^Soft time limit/).fill('0.5');
        await row.getByLabel(/^Hard time limit/).fill('1');
        await set.last().click();
        await said('time limits set successfully');
        await until(
          async () => /time_limit=1\b/.test((await fleet.limitsOf(worker, `${lang}.sleep`)) ?? ''),
          'the limits',
        );
        if (lang === 'ts') {
          const late = await app.send('ts.sleep', [600], { queue: 'ts' });
          await stateIs(app, late.id, 'FAILURE');
          expect((await app.history.get(late.id))?.exception).toContain('TimeLimitExceeded');
        } else await page.getByText('heed them only after they have connected').waitFor();

        await fleet.open(`/workers/${worker}?tab=queues`);
        await page.getByLabel('Serve another queue').fill(`more-${lang}`);
        await page.getByRole('button', { name: 'Add', exact: true }).click();
        await said(`more-${lang}`);
        expect(
          await app.send(`${lang}.add`, [2, 3], { queue: `more-${lang}` }).then((sent) => sent.get(patience)),
        ).toBe(5);
        await ask(`Cancel more-${lang}`, 'Stop', `no longer consuming from more-${lang}`);
        expect(await queuesOf(worker)).toEqual([lang]);
        await page.getByRole('rowheader', { name: `more-${lang}` }).waitFor({ state: 'detached' });
      }
      for (const worker of ['py@here', 'ts@here']) {
        await fleet.open(`/workers/${worker}`);
        await page.getByRole('button', { name: 'Shut down…' }).click();
        await fleet.dialog.getByLabel(`Type ${worker}`).fill(worker);
        await fleet.dialog.getByRole('button', { name: 'Shut down' }).click();
        await said('Shutdown requested');
      }
      await fleet.python.process.exited;
      await until(() => fleet.log.texts('info').includes('ts@here stopped'), 'our worker to end');
      await until(
        async () => (await page.locator('main').getByText('offline').count()) === 2,
        'both offline',
      );
      expect(fleet.wrongs).toEqual([]);
    });

    it('pools are restarted and choose their sizes, where the worker allows it', async () => {
      const fleet = await newFleet(await servers(), { isFlexible: true });
      const { app, page, ask, said, told } = fleet;
      type Stats = { pool: { processes: readonly number[] }; autoscaler: unknown };
      const stats = async (worker: string): Promise<Stats> => (await told(worker, 'stats')) as Stats;
      for (const worker of ['py@here', 'ts@here']) {
        await fleet.open(`/workers/${worker}`);
        await page.getByLabel('At most').fill('3');
        await page.getByRole('button', { name: 'Autoscale', exact: true }).click();
        await said('autoscale now max=3 min=2');
        expect((await stats(worker)).autoscaler).toMatchObject({ max: 3, min: 2 });
      }
      const { pool } = await stats('py@here');
      await fleet.open('/workers/py@here');
      await ask('Restart the pool…', 'Restart', 'reload started');
      const areNew = async (): Promise<boolean> => {
        // Each process ends after its next task.
        await app.send('py.add', [1, 2], { queue: 'py' });
        const { processes } = (await stats('py@here')).pool;
        return processes.length > 0 && processes.every((pid) => !pool.processes.includes(pid));
      };
      await until(areNew, 'other processes');
      expect(fleet.wrongs).toEqual([]);
    });

    it('tasks are revoked, terminated, and run again with other arguments', async () => {
      const fleet = await newFleet(await servers());
      const { app, page, dialog, ask } = fleet;
      for (const lang of ['py', 'ts']) {
        const queue = lang;
        const run = [
          await app.send(`${lang}.sleep`, [600], { queue }),
          await app.send(`${lang}.sleep`, [601], { queue }),
        ];
        for (const { id } of run) await stateIs(app, id, 'STARTED');
        const waits = await app.send(`${lang}.add`, [1, 2], { queue });
        await until(async () => (await app.history.get(waits.id)) !== undefined, 'the third to be known');
        await fleet.open(`/tasks/${waits.id}`);
        await ask('Revoke…', 'Revoke', `${lang}@here`);
        await fleet.open(`/tasks/${run[0]?.id}`);
        await ask('Terminate…', 'Terminate', `${lang}@here`);
        await fleet.open(`/workers/${lang}@here?tab=tasks`);
        await ask(`Terminate ${lang}.sleep ${run[1]?.id}`, 'Terminate', `${lang}@here`);
        for (const { id } of [...run, waits]) await stateIs(app, id, 'REVOKED');

        const wrong = await app.send(`${lang}.sleep`, ['soon'], { queue });
        const ids = [wrong.id];
        // Its arguments are known from Python's events only.
        if (lang === 'py') {
          const caller = await app.send('py.call', ['py.sleep', ['soon'], null, { queue }], { queue });
          ids.push(String(await caller.get(patience)));
        }
        for (const id of ids) {
          await stateIs(app, id, 'FAILURE');
          await fleet.open(`/tasks/${id}`);
          await page.getByRole('button', { name: 'Run again…' }).click();
          if (id !== wrong.id) {
            expect(await dialog.getByLabel('Arguments (a JSON list)').inputValue()).toBe('["soon"]');
            await dialog.getByLabel('Queue (not known').fill(queue);
          }
          await dialog.getByLabel('Arguments (a JSON list)').fill('[0.01]');
          await dialog.getByRole('button', { name: 'Run again', exact: true }).click();
          await page.waitForURL((url) => !url.pathname.includes(id));
          await page.locator('main h1').getByText('Success').waitFor();
        }
      }
      // Of several at once, too; what cannot be read is left out.
      const options = { queue: 'py' };
      for (const args of [
        ['soon', 'er'],
        [`${'long '.repeat(500)}`, 1],
      ])
        await (await app.send('py.call', ['py.sleep', args, null, options], options)).get(patience);
      const query = 'state:failure name:py.sleep args:er';
      await until(async () => (await app.history.list(query)).tasks.length === 1, 'the first to fail');
      await until(
        async () => (await app.history.list('state:failure name:py.sleep args:long')).tasks.length === 1,
        'the second to fail',
      );
      await fleet.open(
        `/tasks?q=${encodeURIComponent('state:failure name:py.sleep (args:er OR args:long)')}`,
      );
      await page.getByLabel('Select all on this page').check();
      await page.getByRole('button', { name: 'Run again…' }).click();
      await dialog.getByText('py.sleep ["soon","er"] {}').waitFor();
      await dialog.getByText('1 task is left out').waitFor();
      await dialog.getByLabel('Queue of those').fill('py');
      await dialog.getByRole('button', { name: 'Run again', exact: true }).click();
      await fleet.said('1 task sent.');
      await until(async () => (await app.history.list(query)).tasks.length === 2, 'it to have run again');
      expect(fleet.wrongs).toEqual([]);
    });

    it('queues are moved, purged and paused, a schedule runs, and a dead letter is replayed', async () => {
      const fleet = await newFleet(await servers());
      const { app, page, dialog, ask, said } = fleet;
      const sent = await Promise.all([1, 2, 3].map((n) => app.send('py.add', [n, n], { queue: 'later' })));
      const size = async (queue: string) => (await app.broker()).size(queue);
      await fleet.open('/queues/later');
      await page.getByRole('button', { name: 'Move…' }).click();
      await dialog.getByLabel('To the queue').fill('py');
      await dialog.getByText('Moves 3 messages from later to py').waitFor();
      await dialog.getByRole('button', { name: 'Move', exact: true }).click();
      await said('3 messages moved to py');
      expect(await Promise.all(sent.map((each) => each.get(patience)))).toEqual([2, 4, 6]);

      for (const n of [1, 2]) await app.send('py.add', [n, n], { queue: 'later' });
      await fleet.open('/queues/later');
      await page.getByRole('button', { name: 'Reschedule…' }).click();
      await dialog.getByLabel('Due in').fill('1h');
      const says = counts ? 'Changes 2 waiting tasks' : 'cannot';
      await dialog.getByText(says).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Purge…' }).click();
      await dialog.getByLabel('Type later').fill('later');
      await dialog.getByRole('button', { name: 'Purge', exact: true }).click();
      await said('2 messages deleted');
      expect(await size('later')).toMatchObject({ ready: 0 });

      await fleet.open('/queues/ts');
      await ask('Pause ts', 'Pause', 'ts@here');
      const paused = await app.send('ts.add', [1, 2], { queue: 'ts' });
      await until(async () => (await size('ts')).ready === 1, 'it to wait');
      await page.locator('main .warning').getByText('Paused').waitFor();
      await ask('Resume ts', 'Resume', 'ts@here');
      expect(await paused.get(patience)).toBe(3);
      await fleet.open('/queues/py');
      await page.getByRole('button', { name: 'Pause py' }).click();
      await dialog.getByText('Python Celery workers ignore the pause').waitFor();
      await page.keyboard.press('Escape');
      await ask('Pause py', 'Pause', 'py@here knows no pauses');
      await ask('Resume py', 'Resume', 'py@here knows no pauses');

      await fleet.open('/schedules');
      await ask('Run now…', 'Run now', 'Sent as');
      await until(
        async () => (await app.history.list('name:py.add state:success args.0:20')).tasks.length === 1,
        'the run of the schedule',
      );

      await app.send('ts.refuse', [], { queue: 'ts' });
      await until(async () => (await app.deadLetters.count()) === 1, 'the dead letter');
      const [before] = await app.deadLetters.find({});
      await fleet.open('/dead');
      await page.getByLabel('Select all on this page').check();
      await ask('Replay…', 'Replay', '1 message back in the queue');
      await until(async () => {
        const [now] = await app.deadLetters.find({});
        return now !== undefined && now !== before;
      }, 'it to run and die again');
      await fleet.open('/dead');
      await page.getByLabel('Select all on this page').check();
      await ask('Discard…', 'Discard', '1 message deleted');
      expect(await app.deadLetters.count()).toBe(0);
      const actions = (await app.audit.list()).map(({ action }) => action);
      expect(actions).toEqual(
        expect.arrayContaining([
          'queue.move',
          'queue.purge',
          'queue.pause',
          'queue.resume',
          'schedule.run',
          'dead-letter.replay',
          'dead-letter.discard',
        ]),
      );
      expect(fleet.wrongs).toEqual([]);
    });
  });
