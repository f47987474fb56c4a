// Workflows on real stores and a real worker: what runs, what it is given, and what is left. In memory, and with results in PostgreSQL, in the
// long run only: the plan is the same, and how each store counts a chord is a case of its conformance suite.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  App,
  type AsyncResult,
  chain,
  chord,
  chunks,
  currentTask,
  type FailedRequest,
  type GroupResult,
  group,
  Ignore,
  starmap,
  TaskRevokedError,
  type WireException,
} from '../../src/index.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { missingIn, type Place, storeKinds } from './stores.ts';

const byDefault = ['sqlite', 'redis', 'rabbitmq and redis'];
for (const kind of storeKinds) {
  needs(describe, missingIn(kind, byDefault))(`workflows on ${kind.name}`, () => {
    let place: Place;
    beforeAll(async () => {
      place = await kind.start();
    });
    afterAll(() => place?.[Symbol.asyncDispose]());

    const open: AsyncDisposable[] = [];
    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
    });

    async function stand() {
      const app = new App('flow', { ...(await place.next()), taskDefaultQueue: `q${crypto.randomUUID()}` });
      open.push(app);
      const heard: unknown[] = [];
      const tasks = {
        add: app.task('add', (x: number, y: number) => x + y),
        double: app.task('double', (x: number) => x * 2),
        total: app.task('total', (all: readonly number[]) => all.reduce((a, b) => a + b, 0)),
        same: app.task('same', (value: unknown) => value),
        fail: app.task('fail', (why: string): number => {
          throw new RangeError(why);
        }),
        hear: app.task('hear', (...what: unknown[]) => {
          heard.push(what);
        }),
      };
      const log = new MemoryLog();
      const worker = new Worker(app, { logger: log, concurrency: 4, queues: [app.config.taskDefaultQueue] });
      open.push({ [Symbol.asyncDispose]: () => worker.stop({ cold: true }) });
      await worker.start();
      return { app, worker, log, heard, ...tasks };
    }
    const wait = { timeout: 50 };

    it('a chain gives each step what the one before gave, and each result is kept', async () => {
      const { add, double } = await stand();
      const result = await chain(add.s(2, 4), add.s(10), double.s()).delay();
      expect(await result.get(wait)).toBe(32);
      expect(await result.parent?.get(wait)).toBe(16);
      const first = await result.parent?.parent?.record();
      expect(first?.children).toEqual([[[result.parent?.id, null], null]]);
      const second = await result.parent?.record();
      expect(second?.parentId).toBe(first?.taskId);
    });

    it('a group, and a group of groups', async () => {
      const { add, double } = await stand();
      const result = await group([add.s(1, 2), group([double.s(2), double.s(3)])]).delay();
      expect(await result.get(wait)).toEqual([3, [4, 6]]);
    });

    it('a chord, its parts being anything, nested', async () => {
      const { add, double, total, same } = await stand();
      const sums = chord(group([add.s(1, 2), chain(add.s(2, 3), double.s())]), total.s());
      expect(await (await sums.delay()).get(wait)).toBe(13);
      const nested = chord(
        [group([double.s(1), double.s(2)]), chord([double.s(3), double.s(4)], total.s())],
        same.s(),
      );
      expect(await (await nested.delay()).get(wait)).toEqual([[2, 4], 14]);
      const inner = chain(
        group([double.s(1), double.s(2)]),
        total.s(),
        group([add.s(1), add.s(2)]),
        total.s(),
      );
      expect(await (await inner.delay()).get(wait)).toBe(15);
    });

    it('chunks, starmap and empty headers', async () => {
      const { add, total } = await stand();
      const pairs = [1, 2, 3, 4, 5].map((n): [number, number] => [n, n]);
      expect(await (await chunks(add, pairs, 2).delay()).get(wait)).toEqual([[2, 4], [6, 8], [10]]);
      expect(await (await starmap(add, pairs).delay()).get(wait)).toEqual([2, 4, 6, 8, 10]);
      expect(await (await chord([], total.s()).delay()).get(wait)).toBe(0);
    });

    it('what a worker sends is told before and after, and can be given headers', async () => {
      const { app, add, double, total } = await stand();
      const seen = app.task('seen', { bind: true }, (task, _: number) => task.request.headers['x-trace']);
      const told: [string, string][] = [];
      app.signals.beforeTaskPublish.connect(({ headers, message }) => {
        headers['x-trace'] = `trace of ${message.task}`;
      });
      app.signals.afterTaskPublish.connect(({ message }) => void told.push([message.task, message.id]));
      const result = await chain(add.s(1, 1), group([double.s(), double.s()]), total.s(), seen.s()).delay();
      expect(await result.get(wait)).toBe('trace of seen');
      await expect.poll(() => told.length).toBe(5);
      // A broker may deliver a message, and its task may send the next one, before the sender hears that the broker has it.
      expect(told.map(([name]) => name).toSorted()).toEqual(['add', 'double', 'double', 'seen', 'total']);
      expect(told).toContainEqual(['seen', result.id]);
    });

    it('links run with the result, errbacks once with the id of what failed', async () => {
      const { add, fail, hear, heard, double } = await stand();
      const fine = await add.s(1, 2).link(hear.s('got')).linkError(hear.s('error')).delay();
      const broken = await chain(add.s(1, 2), fail.si('no'), double.s()).linkError(hear.s('error')).delay();
      expect(await fine.get(wait)).toBe(3);
      const failure = await broken.get({ ...wait, propagate: false });
      expect(failure).toMatchObject({ message: expect.stringContaining('no') });
      await expect.poll(() => heard.length).toBe(2);
      expect(heard).toContainEqual([3, 'got']);
      expect(heard).toContainEqual([broken.parent?.id, 'error']);
    });

    it('an errback that takes the error is called with it where the task failed, and sent to nobody', async () => {
      const { app, log, add, fail, total } = await stand();
      const seen: unknown[] = [];
      const explain = app.task(
        'explain',
        (request: FailedRequest, error: WireException, traceback: string | null, more: string) => {
          const around = currentTask()?.request;
          seen.push([request.task, error.exc_type, typeof traceback, more, around?.parentId, around?.rootId]);
          throw new Error('an error callback failed, too');
        },
      );
      const told: string[] = [];
      app.signals.afterTaskPublish.connect(({ message }) => void told.push(message.task));
      const broken = await chain(add.s(1, 1), fail.si('no').linkError(explain.s('own'))).delay();
      await expect(broken.get(wait)).rejects.toThrow('no');
      await expect.poll(() => seen.length).toBe(1);
      const first = broken.parent?.id;
      expect(seen.splice(0)).toEqual([['fail', 'RangeError', 'string', 'own', broken.id, first]]);
      const whole = await chord([add.s(1, 2), fail.s('no')], total.s())
        .linkError(explain.s('body'))
        .delay();
      await expect(whole.get(wait)).rejects.toMatchObject({ name: 'ChordError' });
      await expect.poll(() => seen.length).toBe(1);
      expect(seen).toEqual([['total', 'ChordError', 'object', 'body', whole.id, expect.any(String)]]);
      expect(told).not.toContain('explain');
      await expect
        .poll(() => log.lines.filter(({ text }) => text.includes('callback explain failed')))
        .toHaveLength(2);
    });

    it('a chord whose member fails: the body has a ChordError that names it, and its errback runs once', async () => {
      const { add, fail, total, hear, heard } = await stand();
      const result = await chord([add.s(1, 2), fail.s('broken'), fail.s('too')], total.s())
        .linkError(hear.s('error'))
        .delay();
      await expect(result.get(wait)).rejects.toMatchObject({
        name: 'ChordError',
        message: expect.stringMatching(/Dependency \S+ raised RangeError\('broken'\)/),
      });
      await expect.poll(() => heard.length).toBe(1);
      expect(heard).toEqual([[result.id, 'error']]);
    });

    it('a failure is told after its reason: of the body after the member, of the next step after the first', async () => {
      const { app, fail, total, double } = await stand();
      const stores = await app.open();
      const put = vi.spyOn(stores.backend as NonNullable<typeof stores.backend>, 'put');
      const body = await chord([fail.s('broken')], total.s()).delay();
      const [member] = (body.parent as GroupResult).results;
      const last = await chain(fail.s('broken'), double.s(), double.s()).delay();
      for (const [reason, end] of [
        [member, body],
        [last.parent?.parent, last],
      ] as const) {
        await expect(end.get(wait)).rejects.toThrow();
        await expect(reason?.get(wait)).rejects.toThrow('broken');
        const order = put.mock.calls.map(([{ taskId }]) => taskId);
        const written = order.filter((id) => id === reason?.id || id === end.id);
        // In one store they are one settlement, of which the reason is the first.
        expect(written).toEqual(stores.backend?.store === stores.transport.store ? [] : [reason?.id, end.id]);
      }
    });

    it('allSettled gives the body each end; failFast fails it with the first, though others never end', async () => {
      const { app, add, fail, same, total, hear, heard } = await stand();
      const settled = await chord([add.s(1, 2), fail.s('broken')], same.s(), { allSettled: true }).delay();
      expect(await settled.get(wait)).toEqual([
        { status: 'fulfilled', value: 3 },
        {
          status: 'rejected',
          reason: { type: 'RangeError', message: 'broken', taskId: expect.any(String) },
        },
      ]);
      const elsewhere = app.remote<() => number>('lives.elsewhere').s().set({ queue: 'nobody' });
      const fast = await chord([elsewhere, add.s(1, 2), fail.s('broken')], total.s(), { failFast: true })
        .linkError(hear.s('error'))
        .delay();
      await expect(fast.get(wait)).rejects.toMatchObject({ name: 'ChordError' });
      await expect.poll(() => heard.length).toBe(1);
      expect(heard).toEqual([[fast.id, 'error']]);
    });

    it('task.replace: the other workflow has its id and its followers', async () => {
      const { app, add, double, total, hear, heard } = await stand();
      const swap = app.task('swap', { bind: true }, (task, n: number): number => {
        if (n === 1) throw task.replace(add.s(n, 10));
        if (n === 2) throw task.replace(chain(add.s(n, 10), double.s()));
        throw task.replace(chord([double.s(n), double.s(n)], total.s()));
      });
      for (const [n, value] of [
        [1, 11],
        [2, 24],
        [3, 12],
      ] as const) {
        const result = await chain(swap.s(n), double.s()).delay();
        expect(await result.get(wait)).toBe(2 * value);
        expect(await result.parent?.get(wait)).toBe(value);
      }
      const member = await chord([swap.s(1), swap.s(2), swap.s(3)], hear.s('sum')).delay();
      await member.get(wait);
      expect(heard).toEqual([[[11, 24, 12], 'sum']]);
    });

    it('task.replace: what takes the place of a task may be replaced again, each time by several', async () => {
      const { app, double, total } = await stand();
      const inner = app.task('inner', { bind: true }, (task): number => {
        throw task.replace(chord([double.s(1), double.s(2), double.s(3)], total.s()));
      });
      const outer = app.task('outer', { bind: true }, (task): number => {
        throw task.replace(chain(double.s(1), inner.si()));
      });
      const middle = app.task('middle', { bind: true }, (task): number => {
        throw task.replace(inner.si());
      });
      expect(await (await outer.delay()).get(wait)).toBe(12);
      expect(await (await middle.delay()).get(wait)).toBe(12);
    });

    it('task.replace: what was frozen before runs under its ids, and ends with that of the task', async () => {
      const { app, double, total } = await stand();
      const members = deferred<readonly AsyncResult[]>();
      const swap = app.task('swap', { bind: true }, (task): number => {
        const frozen = chord(group([double.s(1), double.s(2)]), total.s()).freeze();
        members.resolve((frozen.result.parent as GroupResult).results);
        throw task.replace(frozen);
      });
      const stamps: unknown[] = [];
      const stamped = app.task('stamped', { bind: true }, (task, value: number): number => {
        stamps.push(task.request.stamps);
        return value;
      });
      const result = await chain(swap.s(), stamped.s()).stamp({ importId: 7 }).delay();
      expect(await result.get(wait)).toBe(6);
      expect(await result.parent?.get(wait)).toBe(6);
      expect(await Promise.all((await members.promise).map((each) => each.get(wait)))).toEqual([2, 4]);
      const outer = app.task('outer', { bind: true }, (task): number => {
        throw task.replace(chord(group([stamped.s(3), stamped.s(4)]), total.s()));
      });
      await (await outer.s().stamp({ importId: 8 }).delay()).get(wait);
      expect(stamps).toEqual([{ importId: 7 }, { importId: 8 }, { importId: 8 }]);
    });

    it('parts that are acknowledged before they run are followed likewise', async () => {
      const { app, add, total, double } = await stand();
      const early = app.task('early', { acksLate: false }, (x: number) => x + 1);
      const swap = app.task('early.swap', { acksLate: false, bind: true }, (task): number => {
        throw task.replace(chain(add.s(20, 1), double.s()));
      });
      const result = await chain(
        early.s(1),
        chord([early.s(2), add.s(1)] as never, total.s() as never),
      ).delay();
      expect(await result.get(wait)).toBe(6);
      expect(await (await chain(swap.s(), double.s()).delay()).get(wait)).toBe(84);
    });

    it('a member that expires or is ignored keeps no chord open', async () => {
      const { app, add, total } = await stand();
      const skip = app.task('skip', (): number => {
        throw new Ignore();
      });
      const expired = add.s(1, 1).set({ expires: new Date(Date.now() - 1000) });
      for (const member of [expired, skip.s()]) {
        const result = await chord([add.s(1, 2), member], total.s()).delay();
        await expect(result.get(wait)).rejects.toMatchObject({ name: 'ChordError' });
      }
    });

    it('a group that is revoked: no member runs, whatever step it had come to; who waits for it hears of it', async () => {
      const { app, hear, heard } = await stand();
      const later = `later-${crypto.randomUUID()}`;
      const step = hear.si('a member').set({ queue: later });
      const last = step.pipe(hear.si('a second step').set({ queue: later }));
      const result = await chord([step, last], hear.s()).delay();
      const header = result.parent as GroupResult;
      expect(await header.results[0]?.ready()).toBe(false);
      await header.revoke();
      const worker = new Worker(app, { logger: new MemoryLog(), queues: [later], name: 'later@here' });
      open.push({ [Symbol.asyncDispose]: () => worker.stop({ cold: true }) });
      await worker.start();
      await expect(result.get(wait)).rejects.toMatchObject({ name: 'ChordError' });
      expect(await header.results[1]?.get({ ...wait, propagate: false })).toBeInstanceOf(TaskRevokedError);
      expect(heard).toEqual([]);
      await app.result('unknown').revoke();
    });

    it('a body that has a result already runs again, as in Celery, and what follows it runs', async () => {
      const { double, same, total, hear, heard } = await stand();
      const body = total.s().freeze();
      await (await chord([double.s(1), double.s(2)], body).delay()).get(wait);
      const next = await chain(chord([double.s(3), double.s(4)], body), hear.s('next')).delay();
      await next.get(wait);
      expect(heard).toEqual([[14, 'next']]);
      const outer = await chord([chord([double.s(5)], body), double.s(6)], same.s()).delay();
      expect(await outer.get(wait)).toEqual([10, 12]);
    });

    it('progress: how many tasks of a workflow have ended, by its result, its id or its root', async () => {
      const { app, add, double, total, fail } = await stand();
      const gate = deferred<void>();
      const held = app.task('held', async (x: number) => {
        await gate.promise;
        return x;
      });
      const result = await chain(add.s(1, 2), group([double.s(), held.s()]), total.s(), add.s(1)).delay();
      await result.save();
      const seen = async (each: AsyncResult) => {
        const { done, total, succeeded, failed } = await each.progress();
        return [done, total, succeeded, failed];
      };
      await expect.poll(() => seen(result)).toEqual([2, 5, 2, 0]);
      for (const id of [result.id, String(result.rootId)])
        expect(await seen(app.result(id))).toEqual([2, 5, 2, 0]);
      gate.resolve();
      expect(await result.get(wait)).toBe(10);
      expect(await seen(app.result(result.id))).toEqual([5, 5, 5, 0]);
      const broken = await group([add.s(1, 1), chain(fail.s('no'), double.s())]).delay();
      await broken.get({ ...wait, propagate: false });
      expect(await seen(broken)).toEqual([3, 3, 1, 2]);
      expect(await seen(app.result('unknown'))).toEqual([0, 1, 0, 0]);
    });

    it('progress: what takes the place of a step is a part of it', async () => {
      const { app, double, total } = await stand();
      const gate = deferred<void>();
      const held = app.task('held', async (x: number) => {
        await gate.promise;
        return x;
      });
      const split = app.task('split', { bind: true }, (task): number => {
        throw task.replace(chord(group([double.s(1), held.s(2), held.s(3)]), total.s()));
      });
      const result = await chain(split.s(), double.s()).delay();
      await expect.poll(() => result.progress()).toMatchObject({ done: 1, total: 5 });
      expect(await app.result(result.parent?.id ?? '').progress()).toMatchObject({ done: 1, total: 4 });
      gate.resolve();
      expect(await result.get(wait)).toBe(14);
      expect(await result.progress()).toMatchObject({ done: 5, total: 5 });
    });

    it('celery.chord_unlock, as Python sends it: looks until all have ended, and sends the body once or fails it', async () => {
      const { app, add, fail, same, hear, heard } = await stand();
      const slow = app.task('slow', async () => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return 'slow';
      });
      const unlock = async (header: readonly AsyncResult[], id: string, limit: number | null = null) => {
        const body = same.s().linkError(hear.s(id)).set({ taskId: id }).toJSON();
        const result = header.map((each) => [[each.id, null], null]);
        const kwargs = { interval: 0.05, max_retries: limit, result };
        await app.send('celery.chord_unlock', [crypto.randomUUID(), body], { kwargs, ignoreResult: true });
        return app.result(id);
      };
      const id = (): string => crypto.randomUUID();
      const fine = await unlock([await add.delay(1, 2), await slow.delay()], id());
      const broken = await unlock([await add.delay(1, 2), await fail.delay('no')], id());
      const hopeless = await unlock([app.result(id())], id(), 2);
      expect(await fine.get(wait)).toEqual([3, 'slow']);
      await expect(broken.get(wait)).rejects.toMatchObject({
        name: 'ChordError',
        message: expect.stringContaining("raised RangeError('no')"),
      });
      await expect(hopeless.get(wait)).rejects.toMatchObject({ name: 'ChordError' });
      await expect.poll(() => heard.length).toBe(2);
      expect(heard).toEqual(
        expect.arrayContaining([
          [broken.id, broken.id],
          [hopeless.id, hopeless.id],
        ]),
      );
    });

    it('a member that is retried again and again, each time after the same while, is waited for', async () => {
      const { app, add, total } = await stand();
      const again = app.task('again', { bind: true, maxRetries: 5 }, (task): number => {
        if (task.request.retries < 4) throw task.retry(new Error('not yet'), { countdown: 0.1 });
        return task.request.retries;
      });
      const result = await chord([add.s(1, 2), again.s()], total.s()).delay();
      expect(await result.get(wait)).toBe(7);
    });

    it('addToChord: the body waits for the new member, too', async () => {
      const { app, double, same } = await stand();
      const grow = app.task('grow', { bind: true }, async (task, n: number) => {
        await task.addToChord(double.s(n * 100));
        return n;
      });
      const result = await chord([grow.s(1), double.s(5)], same.s()).delay();
      expect(await result.get(wait)).toEqual([1, 10, 200]);
    });
  });
}
