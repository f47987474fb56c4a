import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chain, group } from '../../src/app/compose.ts';
import type { Middleware } from '../../src/app/middleware.ts';
import { Retry } from '../../src/app/running/outcome.ts';
import { ConfigError, MiddlewareError, UnknownOptionError } from '../../src/errors.ts';
import { drain } from '../../src/testing/drain.ts';

const memory = (): App => new App('test', { broker: 'memory://', backend: 'memory://' });

describe('middleware around runs', () => {
  it('is called in its order, sees the task, its value and its errors, and may change them', async () => {
    await using app = memory();
    const steps: string[] = [];
    const layer = (name: string): Middleware => ({
      run: async (task, next) => {
        steps.push(`${name} before ${task.name} ${task.request.id === '' ? '' : 'id'}`);
        try {
          return Number(await next()) + 1;
        } catch (error) {
          steps.push(`${name} caught ${String(error)}`);
          throw error;
        } finally {
          steps.push(`${name} after`);
        }
      },
    });
    app.use(layer('outer')).use(layer('inner'));
    const options = { beforeStart: () => void steps.push('beforeStart') };
    const add = app.task('add', options, (x: number, y: number) => x + y);
    const fail = app.task('fail', async () => {
      throw new RangeError('no');
    });
    expect(await (await add.apply([1, 2])).get()).toBe(5);
    expect(steps.splice(0)).toEqual([
      'outer before add id',
      'inner before add id',
      'beforeStart',
      'inner after',
      'outer after',
    ]);
    await expect((await fail.apply([])).get()).rejects.toThrow('no');
    expect(steps).toEqual([
      'outer before fail id',
      'inner before fail id',
      'inner caught RangeError: no',
      'inner after',
      'outer caught RangeError: no',
      'outer after',
    ]);
  });

  it('gives its asynchronous context to the code of the task', async () => {
    await using app = memory();
    const tenant = new AsyncLocalStorage<string>();
    app.use({ run: (task, next) => tenant.run(String(task.request.args[0]), next) });
    const read = app.task('read', async (_: string) => {
      await null;
      return tenant.getStore();
    });
    expect(await (await read.apply(['eu'])).get()).toBe('eu');
  });

  it('may answer without the code, sees a retry that is returned as thrown, and ends the task by what it throws', async () => {
    await using app = memory();
    const seen: unknown[] = [];
    let ran = 0;
    app.use({
      run: async (task, next) => {
        if (task.name === 'cached') return 'from the cache';
        if (task.name === 'refused') throw new Error('not at night');
        return next().catch((error) => {
          seen.push(error);
          throw error;
        });
      },
    });
    const cached = app.task('cached', () => ++ran);
    const refused = app.task('refused', () => ++ran);
    const again = app.task('again', { bind: true, maxRetries: 1 }, (task) =>
      task.request.retries === 0 ? task.retry(undefined, { countdown: 0 }) : 'done',
    );
    expect(await (await cached.apply([])).get()).toBe('from the cache');
    await expect((await refused.apply([])).get()).rejects.toThrow('not at night');
    expect(ran).toBe(0);
    const result = await again.delay();
    await drain(app);
    expect(await result.get()).toBe('done');
    expect(seen).toEqual([expect.any(Retry)]);
  });

  it('that calls next twice, or does not wait for it, fails the task', async () => {
    await using app = memory();
    app.use({
      run: async (task, next) => {
        if (task.name === 'twice') await next();
        if (task.name === 'twice') return next();
        void next();
        if (task.name === 'raced') throw new Error('too late');
        return undefined;
      },
    });
    const twice = app.task('twice', () => 1);
    const ended: string[] = [];
    const slow = (name: string) => async () => {
      await new Promise((resolve) => setImmediate(resolve));
      ended.push(name);
    };
    const left = app.task('left', slow('left'));
    const raced = app.task('raced', slow('raced'));
    await expect((await twice.apply([])).get()).rejects.toThrow(/run\(\): next\(\) was called twice/);
    await expect((await left.apply([])).get()).rejects.toThrow(
      /run\(\): next\(\) was called and not awaited/,
    );
    await expect((await raced.apply([])).get()).rejects.toThrow('too late');
    // A retry would run beside them.
    expect(ended).toEqual(['left', 'raced']);
  });
});

describe('middleware around sends', () => {
  it('adds headers to each message, of one call, of many, of a workflow and of what a worker sends', async () => {
    await using app = memory();
    const sent: string[][] = [];
    app.use({
      send: async (calls, next) => {
        for (const { headers, message } of calls) headers.trace = `of ${message.task}`;
        await next();
        sent.push(calls.map(({ message, queue }) => `${message.task} to ${queue}`));
      },
    });
    const trace = app.task('trace', { bind: true }, (task) => task.request.headers.trace);
    const one = app.task('one', { bind: true, queue: 'other' }, (task) => task.request.headers.trace);
    const single = await one.delay();
    const many = await trace.applyMany([[], []]);
    const row = await chain(one.si(), trace.si()).delay();
    const all = await group([trace.si(), one.si()]).delay();
    await drain(app);
    expect(await single.get()).toBe('of one');
    expect(await Promise.all(many.map((each) => each.get()))).toEqual(['of trace', 'of trace']);
    expect(await row.get()).toBe('of trace');
    expect(await all.get()).toEqual(['of trace', 'of one']);
    expect(sent).toEqual([
      ['one to other'],
      ['trace to celery', 'trace to celery'],
      ['one to other'],
      ['trace to celery', 'one to other'],
      ['trace to celery'], // by the worker, when the chain's first task has ended
    ]);
  });

  it('refuses a call by throwing; one that neither sends nor throws is an error, and so is a second next', async () => {
    await using app = memory();
    let how: 'throw' | 'forget' | 'twice' | 'leave' | 'send' = 'send';
    app.use({
      send: async (_, next) => {
        if (how === 'throw') throw new RangeError('over the budget');
        if (how === 'forget') return;
        if (how === 'leave') return void next();
        await next();
        if (how === 'twice') await next();
      },
    });
    const task = app.task('task', () => 1);
    const size = async () => (await (await app.broker()).size('celery')).ready;
    await task.delay();
    how = 'throw';
    await expect(task.delay()).rejects.toThrow(new RangeError('over the budget'));
    how = 'forget';
    await expect(task.delay()).rejects.toThrow(MiddlewareError);
    expect(await size()).toBe(1);
    how = 'twice';
    await expect(task.delay()).rejects.toThrow(/send\(\): next\(\) was called twice/);
    how = 'leave';
    await expect(task.delay()).rejects.toThrow(/send\(\): next\(\) was called and not awaited/);
  });

  it('that throws at the next step of a workflow fails the task before it, which ran once', async () => {
    await using app = memory();
    let ran = 0;
    app.use({
      send: async (calls, next) => {
        if (calls[0]?.message.task === 'second') throw new RangeError('no collector');
        await next();
      },
    });
    const first = app.task('first', () => ++ran);
    const second = app.task('second', (x: number) => x);
    const result = await chain(first.s(), second.s()).delay();
    await drain(app);
    await expect(result.get()).rejects.toThrow('no collector');
    expect([ran, await result.parent?.status()]).toEqual([1, 'FAILURE']);
  });
});

it('what is no middleware is refused', () => {
  const app = memory();
  const use = (middleware: object) => () => app.use(middleware as Middleware);
  expect(use({ rum: () => 1 })).toThrow(UnknownOptionError);
  expect(use({ run: 5 })).toThrow(ConfigError);
  expect(() => app.use(null as unknown as Middleware)).toThrow(ConfigError);
});
