// Revoked tasks: known to workers that come later, and out of their queues at once where the broker can reach them.
import { expect, it } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { recordIn, sizeOf, until } from './bench.ts';
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
    expect(await other.get({ timeout: 15 })).toBe('other');
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
    await control.revoke(due.id, { timeout: 10, limit: 1 });
    await recordIn(app, due.id, 'REVOKED');
    await control.revokeByStamps({ customer: 'seven' }, { timeout: 10, limit: 1 });
    await recordIn(app, stamped.id, 'REVOKED');
    expect(await sizeOf(app)).toEqual([0, 0, 0]);

    await note.delay('first');
    await until(() => order.length === 1);
    const waiting = [];
    for (const name of ['a', 'b', 'c', 'revoked']) waiting.push(await note.delay(name));
    await control.revoke(waiting.at(-1)?.id ?? '', { timeout: 10, limit: 1 });
    const ended: string[] = [];
    const watch = waiting.map((result) =>
      result.get({ timeout: 15 }).then(
        () => ended.push('run'),
        () => ended.push('revoked'),
      ),
    );
    gate.resolve();
    await Promise.all(watch);
    expect(ended).toHaveLength(4);
    expect(ended.indexOf('revoked')).toBeLessThan(3); // not the last, which it was
    expect(order).toEqual(['first', 'a', 'b', 'c']);
  });
};
