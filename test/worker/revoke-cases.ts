// Revoked tasks: known to workers that come later, and out of their queues at once where the broker can reach them.

import { expect, it } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { chain, chord, type GroupResult } from '../../src/index.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { patience, until } from '../until.ts';
import { recordIn, sizeOf } from './bench.ts';
import { appOn, type Cases, workerOf } from './everywhere.ts';

export const revokeCases: Cases = (broker, newUrls) => {
  it('what was revoked by id or by stamp while no worker was there is not run by one that comes later', async () => {
    const app = appOn(await newUrls());
    const runs: string[] = [];
    const note = app.task('note', (name: string) => {
      runs.push(name);
      return name;
    });
    const control = new Control(app);
    const one = await note.delay('by id');
    const stamped = await note.s('by stamp').stamp({ customer: '7' }).delay();
    const other = await note.s('other').stamp({ customer: '8' }).delay();
    await control.revoke(one.id, { timeout: 0.05 });
    await control.revokeByStamps({ customer: '7' }, { timeout: 0.05 });
    await workerOf(app);
    expect(await other.get(patience)).toBe('other');
    await recordIn(app, one.id, 'REVOKED');
    await recordIn(app, stamped.id, 'REVOKED');
    expect(runs).toEqual(['other']);
  });

  it('what is scheduled, or waits behind others, leaves its queue at once', async ({ skip }) => {
    if (broker === 'rabbitmq') skip('RabbitMQ gives nothing out of turn');
    const app = appOn(await newUrls());
    const gate = deferred<void>();
    const order: string[] = [];
    const note = app.task('note', async (name: string) => {
      order.push(name);
      if (name === 'first') await gate.promise;
    });
    await workerOf(app, { concurrency: 1 });
    const [due, stamped] = [
      await note.applyAsync(['due'], { countdown: 600 }),
      await note.s('stamped').stamp({ customer: 'seven' }).applyAsync([], { countdown: 600 }),
    ];
    const control = new Control(app);
    await control.revoke(due.id, { ...patience, limit: 1 });
    await recordIn(app, due.id, 'REVOKED');
    await control.revokeByStamps({ customer: 'seven' }, { ...patience, limit: 1 });
    await recordIn(app, stamped.id, 'REVOKED');
    expect(await sizeOf(app)).toEqual([0, 0, 0]);

    await note.delay('first');
    await until(() => order.length === 1);
    const waiting = [];
    for (const name of ['a', 'b', 'c']) waiting.push(await note.delay(name));
    const last = await note.delay('revoked');
    await control.revoke(last.id, { ...patience, limit: 1 });
    app.signals.taskRevoked.connect(() => order.push('revoked'));
    gate.resolve();
    await recordIn(app, last.id, 'REVOKED');
    for (const result of waiting) await result.get(patience);
    expect(order.filter((name) => name !== 'revoked')).toEqual(['first', 'a', 'b', 'c']);
    expect(order.indexOf('revoked')).toBeGreaterThan(0);
    expect(order.indexOf('revoked')).toBeLessThan(4); // not the last, which it was
  });

  it('a whole workflow: what waits, what its tasks still send, and what runs if that is wanted', async () => {
    const app = appOn(await newUrls());
    const gate = deferred<void>();
    const begun = deferred<string>();
    const runs: string[] = [];
    const note = app.task('note', (name: string) => void runs.push(name));
    const first = app.task('first', { bind: true }, async (task) => {
      begun.resolve(task.request.rootId);
      await gate.promise;
      return (await note.delay('sent by a task of it')).id;
    });
    await workerOf(app);
    const control = new Control(app);
    const result = await chain(first.s(), note.si('next')).linkError(note.si('error callback')).delay();
    const rootId = await begun.promise;
    expect(result.rootId).toBe(rootId);
    await control.revokeWorkflow(rootId, { ...patience, limit: 1 });
    gate.resolve();
    const sent = (await result.parent?.get(patience)) as string;
    await recordIn(app, sent, 'REVOKED');
    await recordIn(app, result.id, 'REVOKED');

    const running = deferred<void>();
    const endless = app.task('endless', { bind: true }, async ({ signal }) => {
      running.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    });
    const scheduled = note.si('scheduled').set({ countdown: 600 });
    const whole = await chord([endless.s(), scheduled], note.si('body')).delay();
    const [member, later] = (whole.parent as GroupResult).results;
    await running.promise;
    await control.revokeWorkflow(String(whole.rootId), { ...patience, limit: 1, terminate: true });
    await recordIn(app, member?.id ?? '', 'REVOKED');
    if (broker !== 'rabbitmq') {
      await recordIn(app, later?.id ?? '', 'REVOKED');
      await expect(whole.get(patience)).rejects.toMatchObject({ name: 'ChordError' });
    }
    await (await note.delay('of another workflow')).get(patience);
    expect(runs).toEqual(['of another workflow']);
  });
};
