import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { chain } from '../../src/app/compose.ts';
import { Schedules } from '../../src/beat/beat.ts';
import { calendarOf } from '../../src/dashboard/server/pages/calendar.ts';
import type { ScheduleForm } from '../../src/dashboard/server/pages/schedule-form.ts';
import type { FormCheck, ScheduleLine } from '../../src/dashboard/server/pages/schedules.ts';
import { every } from '../../src/schedules/every.ts';
import { newApp, newFolder } from '../worker/bench.ts';
import { type Answered, newDashboard } from './bench.ts';

const nightly = { name: 'nightly', kind: 'crontab', crontab: '0 3 * * *', task: 'shop.report' } as const;

function askedOf(app: App, auditLog: string) {
  const ask = newDashboard(app, { auditLog });
  const send = (method: string, path: string, body?: unknown): Promise<Answered> =>
    ask(`/api/v1${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
  return {
    send,
    async list(): Promise<readonly ScheduleLine[]> {
      const { body } = await send('GET', '/schedules');
      return (body as { readonly schedules: readonly ScheduleLine[] }).schedules; // the route's type
    },
    async check(form: object, changes: string | null = null): Promise<FormCheck> {
      const { status, body } = await send('POST', '/schedules/check', { form, changes });
      expect(status).toBe(200);
      return body as FormCheck; // the route's type
    },
  };
}

async function newShop(options: object = {}) {
  const app = await newApp('sqlite', options);
  const auditLog = join(await newFolder(), 'audit.jsonl');
  const actions = async (): Promise<readonly string[]> =>
    (await readFile(auditLog, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ action, target, reason }) => `${action} ${target} ${reason}`);
  return { app, actions, ...askedOf(app, auditLog) };
}

describe('schedules over the pages', () => {
  it('one is added, changed and deleted, and the audit log has each with its reason', async () => {
    const { send, list, actions } = await newShop();
    expect((await send('POST', '/schedules?reason=monthly%20report', nightly)).status).toBe(200);
    const [added] = await list();
    expect(added).toMatchObject({ name: 'nightly', schedule: '0 3 * * *', fixed: null, fromCode: false });
    expect((await send('POST', '/schedules', nightly)).text).toContain('exists already');

    await send('POST', '/schedules/nightly/pause');
    const [before] = await list();
    const form: ScheduleForm = {
      ...(before?.form as ScheduleForm), // it can be changed
      crontab: '30 4 * * mon',
      timezone: 'Asia/Kolkata',
      args: '[1, {"a": null}]',
      kwargs: '{"to": "ann"}',
      queue: 'slow',
      expires: '10m',
      missed: 'all',
      missedLimit: '7',
      overlap: 'skip',
      jitter: '5s',
    };
    expect((await send('PUT', '/schedules/nightly', { form, before: before?.form })).status).toBe(200);
    const [changed] = await list();
    // The pause stays; and the form shows what was sent.
    expect(changed).toMatchObject({ state: 'paused', schedule: '30 4 * * mon Asia/Kolkata', queue: 'slow' });
    expect(changed?.form).toEqual({ ...form, args: '[1,{"a":null}]', kwargs: '{"to":"ann"}' });

    expect((await send('DELETE', '/schedules/nightly?reason=gone')).status).toBe(200);
    expect(await list()).toEqual([]);
    expect((await send('DELETE', '/schedules/nightly')).status).toBe(404);
    expect(await actions()).toEqual([
      'schedule.add nightly monthly report',
      'schedule.add nightly ',
      'schedule.pause nightly ',
      'schedule.change nightly ',
      'schedule.delete nightly gone',
      'schedule.delete nightly ',
    ]);
  });

  it('a change of a schedule that somebody else has changed meanwhile is refused', async () => {
    const { app, send, list } = await newShop();
    await send('POST', '/schedules', nightly);
    const form = (await list())[0]?.form;
    await using schedules = await Schedules.open(app);
    await schedules.change('nightly', every('1h'), 'shop.report');
    const answer = await send('PUT', '/schedules/nightly', {
      form: { ...form, task: 'shop.x' },
      before: form,
    });
    expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('somebody else')]);
    expect((await list())[0]).toMatchObject({ task: 'shop.report', schedule: 'every 1h' });
  });

  it('one that was added paused stays so after a change, and options that the form has not stay', async () => {
    const { app, send, list } = await newShop();
    await using schedules = await Schedules.open(app);
    await schedules.add('idle', every('1h'), 'shop.idle', { enabled: false, priority: 'high', queue: 'a' });
    const form = (await list())[0]?.form;
    await send('PUT', '/schedules/idle', { form: { ...form, queue: '' }, before: form });
    const info = await schedules.get('idle');
    expect(info).toMatchObject({ state: 'disabled', options: { priority: 'high' } });
    expect(info.options.queue).toBeUndefined();
  });

  it('what only code can change is shown with the reason, and refused', async () => {
    const { app, send, list } = await newShop();
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    app.schedule('declared', every('1h'), add.s(1, 2));
    await using schedules = await Schedules.open(app);
    await schedules.add('flow', every('1h'), chain(add.s(1, 2), add.s(3)));
    await schedules.add('dated', every('1h'), 'shop.report', { args: [new Date(0)] });
    const reasons = Object.fromEntries((await list()).map(({ name, fixed }) => [name, fixed]));
    expect(reasons).toEqual({
      declared: expect.stringContaining('code of the application declares it'),
      flow: expect.stringContaining('workflow'),
      dated: expect.stringContaining('dates'),
    });
    const check = await send('POST', '/schedules/check', { form: nightly, changes: null });
    expect(check.status).toBe(200);
    for (const name of ['declared', 'flow', 'dated'])
      expect((await send('PUT', `/schedules/${name}`, { form: nightly, before: nightly })).status).toBe(422);
    expect((await send('DELETE', '/schedules/declared')).text).toContain('declared in code');
    expect(await list()).toHaveLength(3);
  });

  it.each<readonly [field: string, values: object, message: RegExp]>([
    ['name', { name: ' ' }, /not empty/],
    ['task', { task: '' }, /not empty/],
    ['crontab', { crontab: '' }, /five fields/],
    ['crontab', { crontab: '0 25 * * *' }, /hour/],
    ['crontab', { crontab: '0 0 30 2 *' }, /never due/],
    ['timezone', { timezone: 'Berlin' }, /Berlin/],
    ['interval', { kind: 'every', interval: '' }, /seconds/],
    ['interval', { kind: 'every', interval: '10 weeks' }, /10 weeks/],
    ['interval', { kind: 'every', interval: '0' }, /10 ms/],
    ['latitude', { kind: 'solar', event: 'sunset', latitude: '91', longitude: '1' }, /-90 to 90/],
    ['longitude', { kind: 'solar', event: 'sunset', latitude: '1' }, /-180 to 180/],
    ['event', { kind: 'solar', event: 'noon', latitude: '1', longitude: '1' }, /noon/],
    ['args', { args: '{}' }, /JSON list/],
    ['args', { args: '[1' }, /not JSON/],
    ['kwargs', { kwargs: '[]' }, /JSON object/],
    ['missedLimit', { missed: 'all', missedLimit: 'many' }, /missedLimit/],
    ['startingDeadline', { startingDeadline: 'soon' }, /soon/],
    ['jitter', { jitter: '-1s' }, /random delay|jitter/],
    ['expires', { expires: 'x' }, /expires/],
    ['overlap', { overlap: 'skip' }, /no result backend/],
  ])('a fault is told at its field: %s %o', async (field, values, message) => {
    const { app, send, check } = await newShop(field === 'overlap' ? { backend: null } : {});
    const { faults } = await check({ ...nightly, ...values });
    expect(faults).toEqual([{ field, message: expect.stringMatching(message) }]);
    expect((await send('POST', '/schedules', { ...nightly, ...values })).status).toBe(422);
    await using schedules = await Schedules.open(app);
    expect(await schedules.list()).toEqual([]);
  });

  it('the next ten runs are told while the rest of the form is still wrong; an interval that stays counts on', async () => {
    const { app, check } = await newShop({ timezone: 'Europe/Berlin' });
    const { next, faults, timezone } = await check({ ...nightly, name: '', task: '' });
    expect(next).toHaveLength(10);
    expect(timezone).toBe('Europe/Berlin');
    expect(faults.map(({ field }) => field)).toEqual(['name', 'task']);
    expect(new Set(next.map((at) => at % 3_600_000))).toEqual(new Set([0]));
    await using schedules = await Schedules.open(app);
    await schedules.add('hourly', every('1h'), 'shop.report');
    const { nextDue } = await schedules.get('hourly');
    const same = await check({ ...nightly, name: 'hourly', kind: 'every', interval: '60m' }, 'hourly');
    expect(same.faults).toEqual([]);
    expect(same.next[0]).toBe(nextDue?.getTime());
    expect((await check({ ...nightly, name: 'hourly' })).faults).toMatchObject([{ field: 'name' }]);
  });

  it('read-only: nothing is changed', async () => {
    const app = await newApp('sqlite');
    const ask = newDashboard(app, { readOnly: true });
    for (const [method, path] of [
      ['POST', '/schedules'],
      ['POST', '/schedules/check'],
      ['PUT', '/schedules/nightly'],
      ['DELETE', '/schedules/nightly'],
    ] as const)
      expect((await ask(`/api/v1${path}`, { method })).status, `${method} ${path}`).toBe(403);
  });

  it('a page of another site cannot delete one', async () => {
    const { app, send, list } = await newShop();
    await send('POST', '/schedules', nightly);
    const ask = newDashboard(app);
    const headers = { origin: 'https://evil.example' };
    expect((await ask('/api/v1/schedules/nightly', { method: 'DELETE', headers })).status).toBe(403);
    expect(await list()).toHaveLength(1);
  });
});

describe('the calendar', () => {
  it('groups the runs by the minute', () => {
    const at = (minute: number, second = 0): Date => new Date(Date.UTC(2026, 0, 1, 12, minute, second));
    const runs = [
      { name: 'tick', due: at(0, 0) },
      { name: 'nightly', due: at(0, 0) },
      { name: 'tick', due: at(0, 30) },
      { name: 'tick', due: at(1, 0) },
    ];
    expect(calendarOf(runs)).toEqual({
      names: ['tick', 'nightly'],
      minutes: [
        {
          at: at(0).getTime(),
          runs: 3,
          due: 2,
          schedules: [
            [0, 2],
            [1, 1],
          ],
        },
        { at: at(1).getTime(), runs: 1, due: 1, schedules: [[0, 1]] },
      ],
    });
  });

  it('names a dozen of many schedules that are due in a minute, and counts all', () => {
    const due = new Date(0);
    const { minutes } = calendarOf(Array.from({ length: 40 }, (_, n) => ({ name: `s${n}`, due })));
    expect(minutes).toMatchObject([{ runs: 40, due: 40 }]);
    expect(minutes[0]?.schedules).toHaveLength(12);
  });
});
