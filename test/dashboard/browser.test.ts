// The pages in Chromium. Default run: six of them, and what is done most; long run: each page and each action.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chord } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { Control } from '../../src/control/control.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { every } from '../../src/schedules/every.ts';
import { Worker } from '../../src/worker/worker.ts';
import { launchChromium, noChromium } from '../chromium.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';
import { patience, until } from '../until.ts';
import { firstVisit, type WatchedPage, watchedPage } from './watched-page.ts';

const long = needs(it, inLongRun);
const markup = '<img src=x onerror=alert(1)>';

needs(describe, noChromium)('the dashboard in a browser without network', () => {
  let folder: string;
  let app: App;
  let worker: Worker;
  let control: Control;
  let dashboard: Dashboard;
  let browser: Browser;
  let watched: WatchedPage;
  let page: Page;
  let base: string;
  /** What the task that talks logs next; nothing: it ends. */
  let toSay = deferred<readonly string[]>();
  /** Pages of what the application did. */
  let [failed, workflow, odd] = ['', '', ''];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'umbel-dashboard-'));
    app = new App('shop', { broker: `sqlite://${join(folder, 'store.db')}`, taskSendSentEvent: true });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const sum = app.task('shop.sum', (all: readonly number[]) => all.reduce((a, b) => a + b, 0));
    const charge = app.task('shop.charge', (order: unknown) => {
      throw new RangeError(`card declined ${markup} ${JSON.stringify(order)}`);
    });
    const refuse = app.task('shop.refuse', () => {
      throw new Reject('not today');
    });
    app.task('shop.limited', { concurrency: { limit: 2, key: 0 } }, () => undefined);
    const report = app.task('shop.report', { unique: { key: 0 } }, (_month: string) => undefined);
    const strange = app.task(markup, () => markup);
    app.task('shop.talk', { bind: true }, async (task) => {
      for (let lines = await toSay.promise; lines.length > 0; lines = await toSay.promise) {
        toSay = deferred();
        for (const line of lines) task.log(line);
      }
    });
    app.schedule('pulse', every('1h'), add.s(1, 2));
    app.schedule('tick', every('30m', { relative: true }), add.s(1, 2));
    dashboard = new Dashboard(app, { port: 0, urlPrefix: '/flower' });
    await dashboard.start();
    base = dashboard.url;
    control = new Control(app);
    worker = new Worker(app, { name: 'w1@here', concurrency: 2, taskEvents: true });
    await worker.start();
    await until(async () => (await app.history.status()).recordedUntil !== null, 'the dashboard to listen');
    const results = [
      await charge.delay({ id: 7, note: markup }),
      await strange.delay(),
      await chord([add.s(1, 2), add.s(3, 4)], sum.s()).delay(),
    ];
    await refuse.delay();
    await report.applyAsync(['May'], { queue: 'locked' });
    await app.send('shop.unserved', [1], { queue: 'later' });
    for (const each of results) await each.get({ ...patience, propagate: false }).catch(() => undefined);
    await until(async () => {
      const { tasks } = await app.history.list('ended:*');
      return tasks.length === 6 && (await app.deadLetters.count()) === 1;
    }, 'all to be known');
    const ids = results.map(({ id }) => id);
    failed = `/tasks/${ids[0]}`;
    odd = `/tasks/${ids[1]}`;
    const body = await app.history.get(ids[2] ?? '');
    workflow = `/workflows/${body?.rootId}`;
    browser = await launchChromium(join(folder, 'chromium'));
    // Of a task that nobody sent, of one that was sent a moment ago, of a wrong query.
    watched = await watchedPage(browser, /\/api\/v1\/(?:tasks\/[^/]+|waiting\/move)$/);
    page = watched.page;
  });

  afterAll(async () => {
    await browser?.close();
    await dashboard?.stop();
    await control?.close();
    await worker?.stop({ cold: true });
    await app?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  const open = (path: string): Promise<void> => watched.open(`${base}${path}`);
  const faults = (): Promise<readonly string[]> => watched.faults();

  const pages: readonly (readonly [page: string, path: () => string, text: string])[] = [
    ['the overview', () => '/', 'Last hour'],
    ['the tasks', () => '/tasks', 'shop.charge'],
    ['a failed task', () => failed, 'card declined'],
    ['a task whose name is markup', () => odd, markup],
    ['a workflow', () => workflow, 'shop.sum'],
    ['the times of a workflow', () => `${workflow}?view=times`, 'shop.sum'],
    ['the failures', () => '/failures', 'RangeError'],
    ['the jobs', () => '/jobs', 'There is no job'],
    ['the queues', () => '/queues', 'celery'],
    ['an empty queue', () => '/queues/celery', 'It is empty.'],
    ['a queue with messages', () => '/queues/later', 'shop.unserved'],
    ['the held messages of a queue', () => '/queues/celery?tab=held', 'No worker reports'],
    ['the workers', () => '/workers', 'w1@here'],
    ['the tasks of a worker', () => '/workers/w1@here?tab=tasks', 'shop.add'],
    ['the limits of a worker', () => '/workers/w1@here?tab=limits', 'shop.add'],
    ['the settings of a worker', () => '/workers/w1@here?tab=config', 'task_send_sent_event'],
    ['the schedules', () => '/schedules', 'pulse'],
    ['the calendar of the schedules', () => '/schedules?tab=calendar', '×2'],
    ['the limits', () => '/limits', 'shop.limited'],
    ['the locks', () => '/limits?tab=locks', 'shop.report'],
    ['the dead letters', () => '/dead', 'not today'],
    ['a dead letter', () => '/dead/1', 'shop.refuse'],
    ['the doctor', () => '/doctor', 'no time limit'],
    ['tasks and workers', () => '/doctor?tab=tasks', 'no worker knows it'],
    ['the audit log', () => '/audit', 'Nobody has done anything yet'],
    ['a task that is unknown', () => '/tasks/nobody', 'does not know'],
    ['a page that does not exist', () => '/nowhere', 'no such page'],
  ];
  const smoke = ['the overview', 'the tasks', 'a failed task', 'a workflow', 'the queues', 'the schedules'];
  it.each(
    isLong ? pages : pages.filter(([name]) => smoke.includes(name)),
  )('%s: opens without a fault, is accessible in both themes, and fits a phone', async (name, path, text) => {
    await open(path());
    await page.locator('main').getByText(text).filter({ visible: true }).first().waitFor();
    expect(await watched.faultsInBoth(name)).toEqual([]);
    expect(watched.wrongs).toEqual([]);
  });

  long('the log of a task that runs shows its newest line, until the reader scrolls back', async () => {
    const { id } = await app.send('shop.talk', []);
    toSay.resolve(Array.from({ length: 60 }, (_, n) => `line ${n}.`));
    await open(`/tasks/${id}`);
    const line = (text: string) => page.locator('.log-text').getByText(text, { exact: true });
    const log = page.locator('.log');
    const toEnd = () => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
    const says = async (text: string): Promise<void> => {
      toSay.resolve([text]);
      await line(text).waitFor({ state: 'attached' });
    };
    await line('line 59.').waitFor({ state: 'attached' });
    expect(await log.evaluate((box) => box.scrollHeight - box.clientHeight)).toBeGreaterThan(100);
    expect(await toEnd()).toBeLessThan(4);
    await says('and one more.');
    expect(await toEnd()).toBeLessThan(4);
    await log.evaluate((box) => box.scrollTo(0, 0));
    await says('which the reader does not see.');
    expect(await log.evaluate((box) => box.scrollTop)).toBe(0);
    await log.evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await says('and the last.');
    expect(await toEnd()).toBeLessThan(4);
    toSay.resolve([]);
    await page.getByText('Success').first().waitFor();
  });

  it('a first visit loads at most 200 kB: the files and the data of the overview', async () => {
    const { files, bytes } = await firstVisit(browser, `${base}/`);
    expect(files).toEqual(
      expect.arrayContaining([expect.stringMatching(/\.js$/), expect.stringMatching(/\.css$/)]),
    );
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThanOrEqual(200_000);
  });

  it('markup in names, arguments, results and errors stays text', async () => {
    for (const path of ['/tasks', odd, failed, '/failures', '/workers/w1@here?tab=limits']) {
      await open(path);
      await page.locator('main').getByText(markup).first().waitFor();
      expect(await page.locator('main img').count(), path).toBe(0);
    }
    // Nor does it become a part of a query.
    await open('/workers/w1@here?tab=tasks');
    await page.getByRole('link', { name: markup, exact: true }).click();
    await page.locator('tbody').getByText(markup).first().waitFor();
    expect(watched.wrongs).toEqual([]);
  });

  it('on a phone the chosen tab and the chosen state are in view', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    try {
      for (const [path, chosen] of [
        ['/workers/w1@here?tab=other', 'tab'],
        ['/tasks?q=state:rejected', 'button'],
      ] as const) {
        await open(path);
        const button = page.getByRole(chosen, chosen === 'tab' ? { selected: true } : { pressed: true });
        const { left = 0, right = 0 } = await button.evaluate((each) => each.getBoundingClientRect());
        expect({ left: left >= 0, right: right <= 360 }, path).toEqual({ left: true, right: true });
        expect(await page.evaluate('scrollY'), path).toBe(0);
      }
    } finally {
      await page.setViewportSize({ width: 1280, height: 900 });
    }
  });

  it('a failed task is run again with other arguments, and its page follows it to its end', async () => {
    await open(failed);
    await page.getByRole('button', { name: 'Run again…' }).click();
    // What is refused can be mended where it was typed.
    await page.getByLabel('Arguments (a JSON list)').fill('["another card"');
    await page.getByRole('button', { name: 'Run again', exact: true }).click();
    await page.getByRole('dialog').getByRole('alert').waitFor();
    await page.getByLabel('Arguments (a JSON list)').fill('["another card"]');
    await page.getByRole('button', { name: 'Run again', exact: true }).click();
    await page.getByText('Runs again').waitFor();
    await page.locator('main .exception').getByText('another card').waitFor();
  });

  it('a button of a worker changes the worker, and its reply is shown', async () => {
    await open('/workers/w1@here');
    await page.getByRole('spinbutton', { name: 'Slots' }).fill('3');
    await page.getByRole('button', { name: 'Grow', exact: true }).click();
    await page.getByText('pool will grow').waitFor();
    const { replies } = await control.inspect({ destination: ['w1@here'] }).stats();
    expect(replies.get('w1@here')).toMatchObject({ pool: { 'max-concurrency': 5 } });
    await page.getByRole('button', { name: 'Shut down…' }).click();
    const really = page.getByRole('dialog').getByRole('button', { name: 'Shut down' });
    expect(await really.isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await open('/workers');
    await page.getByRole('button', { name: 'Restart one by one…' }).click();
    await page.getByRole('dialog').getByText('Shuts down 1 worker').waitFor();
    expect(await faults()).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  long('messages move to another queue after a preview, and one that is scheduled is run now', async () => {
    const due = await app.send('shop.add', [2, 3], { queue: 'moved', countdown: 3600 });
    await open('/queues/moved?tab=scheduled');
    await page.getByRole('button', { name: 'Move…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('To the queue').fill('celery');
    await dialog.getByText('Moves 1 message from moved to celery.').waitFor();
    await dialog.getByLabel('Only these (a query)').fill('nme:x');
    await dialog.locator('.field-fault').getByText("did you mean 'name'?").waitFor();
    await dialog.getByLabel('Only these (a query)').fill('name:shop.*');
    await dialog.getByText('Moves 1 message from moved to celery.').waitFor();
    expect(await faults()).toEqual([]);
    await dialog.getByRole('button', { name: 'Move', exact: true }).click();
    await page.locator('.toast').getByText('1 message moved to celery').waitFor();
    await open('/queues/celery?tab=scheduled');
    await page.getByRole('button', { name: 'Run now: shop.add' }).click();
    await dialog.getByRole('button', { name: 'Run now', exact: true }).click();
    await page.locator('.toast').getByText('It is ready').waitFor();
    expect(await due.get(patience)).toBe(5);
    expect(watched.wrongs).toEqual([]);
  });

  long('a chord that waits shows what is missing, and a value for it ends it', async () => {
    const [add, sum] = [app.signature('shop.add'), app.signature('shop.sum')];
    const header = [add.clone(1, 2), add.clone(3, 4).set({ queue: 'later' })];
    const result = await chord(header, sum).delay();
    const members = async () => (await app.chords.get(result.parent?.id ?? ''))?.members ?? [];
    await until(async () => (await members())[0]?.counted, 'the first member');
    await until(
      async () => (await app.history.list('queue:later name:shop.add')).tasks.length === 1,
      'the history to know the other',
    );
    await open(`/tasks/${(await members())[1]?.id}`);
    await page.getByText('A chord waits: 1 of 2 members ended').waitFor();
    await page.getByRole('button', { name: 'Give a value: shop.add' }).click();
    await page.getByLabel('The value').fill('40');
    await page.getByLabel('Reason').fill('it was lost');
    expect(await faults()).toEqual([]);
    await page.getByRole('dialog').getByRole('button', { name: 'Give it' }).click();
    await page.getByText('The chord has ended').waitFor();
    expect(await result.get(patience)).toBe(43);
    await app.queues.purge('later');
    await app.send('shop.unserved', [1], { queue: 'later' });
    expect(watched.wrongs).toEqual([]);
  });

  long('messages of a queue are rescheduled and deleted by a query, each after a preview', async () => {
    for (const n of [1, 2, 3])
      await app.send(n === 3 ? 'shop.other' : 'shop.unserved', [n], { queue: 'planned' });
    await open('/queues/planned');
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Reschedule…' }).click();
    await dialog.getByLabel('Only these (a query)').fill('name:shop.unserved');
    await dialog.getByLabel('Due in').fill('soon');
    await dialog.getByText('A number with s, m, h or d; or 0').waitFor();
    await dialog.getByLabel('Due in').fill('2h');
    await dialog.getByText('Changes 2 waiting tasks of planned.').waitFor();
    expect(await faults()).toEqual([]);
    await dialog.getByRole('button', { name: 'Reschedule', exact: true }).click();
    await page.locator('.toast').getByText('2 tasks rescheduled').waitFor();
    expect(await (await app.broker()).size('planned')).toMatchObject({ ready: 1, scheduled: 2 });
    await page.getByRole('button', { name: 'Purge…' }).click();
    await dialog.getByText('Deletes 3 messages for good').waitFor();
    await dialog.getByLabel('Only these (a query)').fill('args.0:2');
    await dialog.getByText('Deletes 1 message for good').waitFor();
    await dialog.getByLabel('Type planned').fill('planned');
    expect(await faults()).toEqual([]);
    await dialog.getByRole('button', { name: 'Purge', exact: true }).click();
    await page.locator('.toast').getByText('1 message deleted').waitFor();
    expect(await (await app.broker()).size('planned')).toMatchObject({ ready: 1, scheduled: 1 });
    await app.queues.purge('planned');
    expect(watched.wrongs).toEqual([]);
  });

  it('a queue is paused with a reason, and resumed, by its buttons', async () => {
    await open('/queues/later');
    await page.getByRole('button', { name: 'Pause later' }).click();
    await page.getByRole('dialog').getByText('1 message').waitFor();
    await page.getByLabel('Reason').fill('the bank is down');
    await page.getByRole('dialog').getByRole('button', { name: 'Pause', exact: true }).click();
    await page.locator('main .warning').getByText('by the dashboard: the bank is down').waitFor();
    expect(await app.queues.paused()).toMatchObject([{ name: 'later', reason: 'the bank is down' }]);
    await page.getByRole('button', { name: 'Resume later' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume', exact: true }).click();
    await page.getByRole('button', { name: 'Pause later' }).waitFor();
    await page.getByRole('button', { name: 'Purge…' }).click();
    await page.getByRole('dialog').getByLabel('Type later').fill('later');
    await page.getByRole('dialog').getByRole('button', { name: 'Purge', exact: true }).click();
    await page.locator('.toast').getByText('1 message deleted').waitFor();
    await open('/audit');
    await page.locator('tbody').getByText('the bank is down').waitFor();
    expect(await faults()).toEqual([]);
    expect(watched.wrongs).toEqual([]);
  });

  long(
    'a schedule is added with a preview, refused at the field that is wrong, changed, and deleted',
    async () => {
      await open('/schedules');
      await page.getByRole('button', { name: 'Add a schedule…' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Name', { exact: true }).fill('pulse');
      await dialog.getByText('exists already').waitFor();
      await dialog.getByLabel('Name', { exact: true }).fill('nightly');
      await dialog.getByLabel('Task', { exact: true }).fill('shop.add');
      await dialog.getByRole('button', { name: 'Crontab' }).click();
      await dialog.getByLabel('Crontab', { exact: true }).fill('0 25 * * *');
      await dialog.locator('.field-fault', { hasText: 'hour' }).waitFor();
      expect(await faults()).toEqual([]);
      await dialog.getByLabel('Crontab', { exact: true }).fill('0 3 * * *');
      await dialog.getByLabel('Time zone').fill('Europe/Berlin');
      await until(async () => (await dialog.locator('.next-runs li').count()) === 10, 'ten next runs');
      await dialog.getByLabel('Arguments (a JSON list)', { exact: true }).fill('[1, 2]');
      await page.setViewportSize({ width: 360, height: 740 });
      expect(await dialog.evaluate((each) => each.scrollWidth - each.clientWidth), 'on a phone').toBe(0);
      await page.setViewportSize({ width: 1280, height: 900 });
      await dialog.getByRole('button', { name: 'Add', exact: true }).click();
      await page.locator('.toast').getByText('in force within two seconds').waitFor();
      await page.getByRole('button', { name: 'nightly' }).click();
      await page.getByRole('button', { name: 'Change…' }).click();
      await dialog.getByLabel('Crontab', { exact: true }).fill('30 3 * * *');
      await dialog.getByRole('button', { name: 'Change', exact: true }).click();
      await page.locator('tbody').getByText('30 3 * * * Europe/Berlin').waitFor();
      await page.getByRole('button', { name: 'Delete…' }).click();
      await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
      await page.getByRole('button', { name: 'nightly' }).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'pulse' }).click();
      await page.getByText('The code of the application declares it').waitFor();
      expect(await faults()).toEqual([]);
      expect(watched.wrongs).toEqual([]);
    },
  );

  long(
    'the command palette leads by the keyboard alone to pages, queues, workers, tasks and actions',
    async () => {
      await open('/');
      const go = async (text: string, kind: string, found: string): Promise<void> => {
        // While a dialog closes, the keys do not open another.
        await page.getByRole('dialog').waitFor({ state: 'detached' });
        await page.keyboard.press('Control+k');
        await page.locator('.palette-input:focus').waitFor();
        await page.keyboard.type(text);
        await page
          .locator('.palette-list [aria-selected=true]', { hasText: found })
          .filter({ has: page.getByText(kind, { exact: true }) })
          .waitFor();
      };
      await go('doct', 'Page', 'Doctor');
      expect(await faults()).toEqual([]);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Doctor' }).waitFor();
      await go('queue locked', 'Queue', 'locked');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'locked' }).waitFor();
      await go('w1', 'Worker', 'w1@here');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'w1@here' }).waitFor();
      await go(failed.slice('/tasks/'.length), 'Task', failed.slice('/tasks/'.length));
      await page.keyboard.press('Enter');
      await page.getByText('card declined').first().waitFor();
      await go('add a sched', 'Action', 'Add a schedule');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog', { name: 'Add a schedule' }).waitFor();
      await page.keyboard.press('Escape');
      // A dialog that closes gives the focus back to where it was.
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await go('shop.add', 'Tasks', 'shop.add');
      await page.keyboard.press('ArrowDown');
      await page.locator('.palette-list [aria-selected=true]', { hasText: 'Search tasks' }).waitFor();
      await page.keyboard.press('ArrowUp');
      await page.keyboard.press('Enter');
      await page.locator('#query').waitFor();
      expect(new URL(page.url()).searchParams.get('q')).toBe('name:shop.add');
      expect(watched.wrongs).toEqual([]);
    },
  );

  long(
    'a view of the tasks is saved and shared by its address; its tasks run again together; a task tells why it waits',
    async () => {
      await open('/tasks?q=name%3Ashop.charge');
      await page.getByRole('button', { name: 'Save this view' }).click();
      await page.getByLabel('Name of the view').fill('charges');
      await page.keyboard.press('Enter');
      await page.goto(`${base}/tasks`);
      await page.getByRole('link', { name: 'charges' }).click();
      await until(async () => page.url().includes('charge'), 'the address of the view');
      await page.locator('tbody tr').first().waitFor();
      await page.locator('#query').fill('queue:lat');
      await page.getByRole('button', { name: 'queue:later' }).waitFor();
      await page.locator('#query').press('Escape');
      const before = await app.history.counts('name:shop.charge');
      await page.getByLabel('Select all on this page').check();
      await page.getByRole('button', { name: 'Run again…' }).click();
      expect(await faults()).toEqual([]);
      await page.getByRole('dialog').getByRole('button', { name: 'Run again' }).click();
      await page.locator('.toast').getByText('sent.').waitFor();
      await until(async () => {
        const { FAILURE = 0 } = await app.history.counts('name:shop.charge');
        return FAILURE === 2 * (before.FAILURE ?? 0);
      }, 'them to have run again');
      await page.getByRole('button', { name: 'Forget the view charges' }).click();
      const waiting = await app.send('shop.nobodys', [], { queue: 'unserved' });
      await until(async () => (await app.history.get(waiting.id)) !== undefined, 'it to be known');
      await open(`/tasks/${waiting.id}`);
      await page.getByRole('button', { name: 'Why is it not done?' }).click();
      await page.locator('main .warning').getByText('unserved').waitFor();
      expect(await faults()).toEqual([]);
      expect(watched.wrongs).toEqual([]);
    },
  );

  it('the list is live, and its tasks can be revoked by the keyboard alone', async () => {
    await open('/');
    await page.locator('.rail .live-live').waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('t');
    await page.getByRole('heading', { name: 'Tasks' }).waitFor();
    await page.keyboard.press('/');
    await page.locator('#query:focus').waitFor();
    await page.keyboard.type('name:shop.later');
    await page.keyboard.press('Enter');
    await page.getByText('No task matches').waitFor();
    const { id } = await app.send('shop.later', [1], { countdown: 3_600 });
    // Told by the server, without a new look.
    await page.locator('tbody').getByText('shop.later').waitFor();
    expect(new URL(page.url()).searchParams.get('q')).toBe('name:shop.later');
    await page.locator('#query').press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.getByText('1 task selected').waitFor();
    await page.keyboard.press('c');
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('.toast').getByText('w1@here').waitFor();
    await until(async () => (await app.history.get(id))?.state === 'REVOKED', 'it to be revoked');
    await page.locator('tbody').getByText('Revoked').waitFor();
    await page.keyboard.press(' ');
    await page.locator('.rail .live-paused').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard and settings' }).waitFor();
    expect(watched.wrongs).toEqual([]);
  });

  long('all tasks of a query run again as a job: prepared, run at a rate, paused and aborted', async () => {
    for (const order of [1, 2]) await app.send('shop.charge', [order]);
    await until(async () => ((await app.history.counts('name:shop.charge')).FAILURE ?? 0) >= 3, 'failures');
    await open('/tasks?q=name%3Ashop.charge');
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Run all that match…' }).click();
    await dialog.getByLabel('Also tasks that ran again before').check();
    expect(await faults()).toEqual([]);
    await dialog.getByRole('button', { name: 'Prepare' }).click();
    await page.getByText('Nothing was sent yet').waitFor();
    await page.getByRole('button', { name: 'Run…' }).click();
    await dialog.getByLabel('Another rate').fill('1/h');
    await dialog.getByLabel('Reason').fill('the bank is back');
    await dialog.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('button', { name: 'Pause…' }).click();
    await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByRole('button', { name: 'Resume…' }).waitFor();
    expect(await app.history.retryJobs()).toMatchObject([{ state: 'paused', rate: 1 / 3_600 }]);
    expect(await watched.faultsInBoth('a job')).toEqual([]);
    await page.getByRole('button', { name: 'Abort…' }).click();
    await dialog.getByRole('button', { name: 'Abort', exact: true }).click();
    await page.locator('.page-sub').getByText('aborted').waitFor();
    await open('/jobs');
    await page.locator('tbody').getByText('aborted').waitFor();
    await open('/audit');
    await page.locator('tbody').getByText('the bank is back').waitFor();
    expect(watched.wrongs).toEqual([]);
  });
});
