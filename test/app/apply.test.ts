import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { App } from '../../src/app/app.ts';
import { currentTask } from '../../src/app/running/context.ts';
import { Ignore, Reject } from '../../src/app/running/outcome.ts';
import {
  InvalidArgumentsError,
  NotSerializableError,
  SoftTimeLimitExceeded,
  TaskFailedError,
  UnknownTaskError,
} from '../../src/errors.ts';

let app = new App('test', { broker: 'memory://' });
afterEach(async () => {
  await app.close();
  app = new App('test', { broker: 'memory://' });
});

describe('a task that is applied in place', () => {
  it('gives its value as a result like any other', async () => {
    const add = app.task('add', async (x: number, y: number) => x + y);
    const result = await add.apply([2, 3]);
    expect(await result.get()).toBe(5);
    expect(await result.status()).toBe('SUCCESS');
    expect(await result.ready()).toBe(true);
    expect(result.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('gives null for nothing, as the wire does', async () => {
    const nothing = app.task('nothing', () => undefined);
    expect(await (await nothing.apply([])).get()).toBe(null);
  });

  it('gives its error as a worker would keep it', async () => {
    const fail = app.task('fail', () => {
      throw new TypeError('not so');
    });
    const result = await fail.apply([]);
    await expect(result.get()).rejects.toThrow(TaskFailedError);
    await expect(result.get()).rejects.toMatchObject({
      remoteType: 'TypeError',
      remoteMessage: 'not so',
      taskId: result.id,
    });
  });

  it('fails for anything that is thrown', async () => {
    const fail = app.task('fail', () => {
      throw 'text'; // what JavaScript allows
    });
    await expect((await fail.apply([])).get()).rejects.toMatchObject({
      remoteMessage: 'the task threw text',
    });
  });

  it('fails when its value has no form on the wire, with the path', async () => {
    const wrong = app.task('wrong', () => ({ rows: [{ run: () => 1 }] }));
    await expect((await wrong.apply([])).get()).rejects.toMatchObject({
      remoteMessage: expect.stringContaining('$.rows[0].run'),
    });
  });

  it('refuses at once what could not be sent', async () => {
    const take = app.task('take', (value: unknown) => typeof value);
    await expect(take.apply([new Map()])).rejects.toThrow(NotSerializableError);
  });

  it('throws what the task threw when errors are to propagate', async () => {
    const eager = new App('eager', { broker: 'memory://', taskEagerPropagates: true });
    const cause = new TypeError('this very one');
    const fail = eager.task('fail', () => {
      throw cause;
    });
    await expect(fail.apply([])).rejects.toBe(cause);
  });

  it('retries at once, without its delay, with all its retries', async () => {
    const seen: number[] = [];
    const flaky = app.task('flaky', { bind: true, maxRetries: 2 }, (task) => {
      seen.push(task.request.retries);
      if (task.request.retries < 2) throw task.retry(new Error('again'), { countdown: 3600 });
      return 'done';
    });
    expect(await (await flaky.apply([])).get()).toBe('done');
    expect(seen).toEqual([0, 1, 2]);
  });

  it('fails with the error of its last try when the retries are used up', async () => {
    let runs = 0;
    const flaky = app.task('flaky', { autoretryFor: [RangeError], maxRetries: 3 }, () => {
      throw new RangeError(`try ${++runs}`);
    });
    await expect((await flaky.apply([])).get()).rejects.toMatchObject({ remoteMessage: 'try 4' });
    expect(runs).toBe(4);
  });

  it('can be repeated with other arguments', async () => {
    const half = app.task('half', { bind: true }, (task, x: number): number => {
      if (x > 1) throw task.retry(undefined, { args: [x / 2], maxRetries: null });
      return x;
    });
    expect(await (await half.apply([16])).get()).toBe(1);
  });

  it('aborts its signal at the soft limit', async () => {
    const slow = app.task('slow', { bind: true, softTimeLimit: '20ms' }, async (task) => {
      await new Promise((_, reject) =>
        task.signal.addEventListener('abort', () => reject(task.signal.reason)),
      );
    });
    const result = await slow.apply([]);
    await expect(result.get()).rejects.toMatchObject({ remoteType: 'SoftTimeLimitExceeded' });
  });

  it('goes on after the soft limit if it catches it', async () => {
    const slow = app.task('slow', { bind: true }, async (task) => {
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      return task.signal.reason instanceof SoftTimeLimitExceeded ? 'in time' : 'odd';
    });
    expect(await (await slow.apply([], { softTimeLimit: '20ms', timeLimit: 60 })).get()).toBe('in time');
  });

  it('fails at the hard limit, whatever it does', async () => {
    const stuck = app.task('stuck', { timeLimit: '20ms' }, () => new Promise(() => {}));
    await expect((await stuck.apply([])).get()).rejects.toMatchObject({ remoteType: 'TimeLimitExceeded' });
  });

  it('is not ended at once by a limit of months', async () => {
    const patient = app.task(
      'patient',
      { timeLimit: '60d', softTimeLimit: '50d', bind: true },
      async (task) => {
        await new Promise((resolve) => setTimeout(resolve, 20)); // neither of them comes
        return task.signal.aborted;
      },
    );
    expect(await (await patient.apply([])).get()).toBe(false);
  });

  it('that throws Reject has failed with that', async () => {
    const rejecting = app.task('rejecting', () => {
      throw new Reject('not mine');
    });
    await expect((await rejecting.apply([])).get()).rejects.toMatchObject({
      remoteType: 'Reject',
      remoteMessage: expect.stringContaining('not mine'),
    });
  });

  it('that throws Ignore has no result', async () => {
    const ignoring = app.task('ignoring', () => {
      throw new Ignore();
    });
    expect(await (await ignoring.apply([])).status()).toBe('IGNORED');
  });

  it('is not possible when it lives elsewhere', async () => {
    const predict = app.remote<(text: string) => string>('ml.predict');
    await expect(predict.apply(['x'])).rejects.toThrow(UnknownTaskError);
    expect(() => predict('x')).toThrow('lives elsewhere');
  });

  it('knows itself, and its parent', async () => {
    const inner = app.task('inner', () => {
      const task = currentTask();
      return [task?.name, task?.request.parentId, task?.request.rootId];
    });
    const outer = app.task('outer', { bind: true }, async (task) => {
      const child = await inner.apply([]);
      return { own: task.request.id, same: currentTask() === task, child: await child.get() };
    });
    const result = await outer.apply([]);
    expect(await result.get()).toEqual({
      own: result.id,
      same: true,
      child: ['inner', result.id, result.id],
    });
    expect(currentTask()).toBeUndefined();
  });

  it('runs in place of being sent with taskAlwaysEager', async () => {
    const eager = new App('eager', { broker: 'memory://', taskAlwaysEager: true });
    const add = eager.task('add', (x: number, y: number) => x + y);
    expect(await (await add.delay(2, 3)).get()).toBe(5);
    expect(await (await add.applyAsync([2, 3], { countdown: 60 })).get()).toBe(5);
    expect(
      await Promise.all(
        (
          await add.applyMany([
            [1, 2],
            [3, 4],
          ])
        ).map((one) => one.get()),
      ),
    ).toEqual([3, 7]);
    expect(await (await eager.send<number>('add', [5, 6])).get()).toBe(11);
    await expect(eager.send('elsewhere')).rejects.toThrow(UnknownTaskError);
    expect(eager.stores).toBe(null);
  });
});

describe('a keyword task', () => {
  const schema = z.object({ name: z.string().min(1), count: z.coerce.number().int().default(1) });

  it('gets what its schema makes of the input', async () => {
    const greet = app.task('greet', { input: schema }, ({ name, count }) => `${name}`.repeat(count));
    expect(await (await greet.apply({ name: 'ho', count: '3' })).get()).toBe('hohoho');
    expect(await (await greet.apply({ name: 'ho' })).get()).toBe('ho');
    expect(await greet({ name: 'hi', count: 2 })).toBe('hihi');
  });

  it('gets itself first with bind', async () => {
    const greet = app.task('greet', { input: schema, bind: true }, (task, { name }) => [
      task.name,
      task.request.kwargs,
      name,
    ]);
    expect(await (await greet.apply({ name: 'x' })).get()).toEqual(['greet', { name: 'x' }, 'x']);
  });

  it('refuses what does not fit where it is called, with every path', async () => {
    const order = app.task(
      'order',
      { input: z.object({ rows: z.array(z.object({ id: z.number() })), 'odd key': z.string() }) },
      () => 1,
    );
    const wrong = { rows: [{ id: 1 }, { id: 'two' }], 'odd key': 5 } as never; // what the compiler would refuse
    for (const call of [
      () => order.delay(wrong),
      () => order.applyAsync(wrong),
      () => order.apply(wrong),
      () => order(wrong),
      () => order.applyMany([wrong]),
    ]) {
      await expect(call()).rejects.toThrow(InvalidArgumentsError);
      await expect(call()).rejects.toMatchObject({
        task: 'order',
        issues: [
          { path: '$.rows[1].id', message: expect.any(String) },
          { path: '$["odd key"]', message: expect.any(String) },
        ],
      });
    }
  });

  it('refuses what is no object', async () => {
    const greet = app.task('greet', { input: schema }, () => 1);
    for (const wrong of [5, 'text', null, [1], new Date(), new Map()])
      await expect(greet.delay(wrong as never)).rejects.toThrow('the task takes one object');
  });

  it('refuses more than the one object', async () => {
    const greet = app.task('greet', { input: schema }, () => 1);
    const call: (...args: unknown[]) => Promise<unknown> = greet.delay as never; // what the compiler would refuse
    await expect(call({ name: 'a' }, { name: 'b' })).rejects.toThrow('the task takes one object');
  });

  it('may have a schema that takes its time', async () => {
    const slowly = schema.refine(async ({ name }) => Promise.resolve(name !== 'no'), 'not that one');
    const greet = app.task('greet', { input: slowly }, ({ name }) => name);
    expect(await (await greet.apply({ name: 'yes' })).get()).toBe('yes');
    await expect(greet.delay({ name: 'no' })).rejects.toThrow('$: not that one');
  });
});

describe('a task that is called like a function', () => {
  it('is its code, at once', () => {
    const add = app.task('add', (x: number, y: number) => x + y);
    expect(add(2, 3)).toBe(5);
    expect(add.name).toBe('add');
  });

  it('has itself with bind, and fails with the error that it would retry for', () => {
    const cause = new Error('flaky');
    const flaky = app.task('flaky', { bind: true }, (task, fail: boolean) => {
      if (fail) throw task.retry(cause);
      return [task.name, currentTask()?.name, task.signal.aborted];
    });
    expect(flaky(false)).toEqual(['flaky', 'flaky', false]);
    expect(() => flaky(true)).toThrow(cause);
  });
});
