import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { App } from '../../src/app/app.ts';
import { currentTask } from '../../src/app/running/context.ts';
import { Ignore, type Outcome, Reject, Retry } from '../../src/app/running/outcome.ts';
import { toRequest } from '../../src/app/running/request.ts';
import { type RunContext, runHooks, runTask } from '../../src/app/running/run.ts';
import type { AnyTask, BoundTask } from '../../src/app/task.ts';
import { noOptions } from '../../src/config/call-options.ts';
import type { ObjectSchema } from '../../src/config/standard-schema.ts';
import { SoftTimeLimitExceeded } from '../../src/errors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { Json } from '../../src/protocol/message.ts';
import { prepareCall, retryMessage } from '../../src/sending/prepare.ts';

function context(task: AnyTask, args: readonly unknown[] = [], kwargs: Json = {}, retries = 0): RunContext {
  const { message } = prepareCall(task.app, task.name, args, kwargs, noOptions, task.options);
  return {
    request: toRequest(
      { ...message, retries },
      { queue: 'celery', redelivered: false, hostname: 'celery@test', isEager: false },
    ),
    signal: new AbortController().signal,
    logger: silentLogger,
    updateState: async () => {},
    log: () => {},
  };
}

/** Runs and tells, as a worker does. */
async function run(
  task: AnyTask,
  args: readonly unknown[] = [],
  kwargs: Json = {},
  retries = 0,
): Promise<Outcome> {
  const around = context(task, args, kwargs, retries);
  const outcome = await runTask(task, around);
  await runHooks(task, around, outcome);
  return outcome;
}

const app = (): App => new App('test', { broker: 'memory://' });

describe('a run', () => {
  it('of code that takes the task without { bind: true } says so where it fails', async () => {
    const forgot = app().task('forgot', async (self: BoundTask) => self.request.id);
    const own = app().task('own', (x: { y: { z: number } }) => x.y.z);
    const messageOf = async (task: AnyTask) => {
      const outcome = await run(task, ['https://example.com']);
      return outcome.kind === 'failure' ? outcome.error.message : outcome.kind;
    };
    expect(await messageOf(forgot)).toMatch(
      / \(is 'self' meant to be the task\? .* \{ bind: true \} only\)$/,
    );
    expect(await messageOf(own)).toBe("Cannot read properties of undefined (reading 'z')");
  });

  class Expected extends Error {}
  it.each<[string, unknown, object]>([
    [
      'an Error is a failure',
      new TypeError('x'),
      { kind: 'failure', error: expect.any(TypeError), expected: false },
    ],
    ['an error of `throws` is an expected one', new Expected('x'), { kind: 'failure', expected: true }],
    ['Ignore', new Ignore(), { kind: 'ignored' }],
    ['Reject', new Reject('why'), { kind: 'rejected', requeue: false, reason: 'why' }],
    [
      'Reject with requeue',
      new Reject('why', { requeue: true }),
      { kind: 'rejected', requeue: true, reason: 'why' },
    ],
    ['Retry', new Retry(new Date(5), {}, undefined), { kind: 'retry', retry: { at: new Date(5) } }],
    [
      'an object',
      { a: 1 },
      {
        kind: 'failure',
        error: expect.objectContaining({
          message: 'the task threw an object that is no Error',
          cause: { a: 1 },
        }),
      },
    ],
    ['an object without a prototype', Object.create(null), { kind: 'failure' }],
    [
      'a symbol',
      Symbol('odd'),
      { kind: 'failure', error: expect.objectContaining({ message: 'the task threw Symbol(odd)' }) },
    ],
    [
      'undefined',
      undefined,
      { kind: 'failure', error: expect.objectContaining({ message: 'the task threw undefined' }) },
    ],
  ])('ends as what it threw says: %s', async (_, thrown, expected) => {
    const task = app().task('t', { throws: [Expected] }, () => {
      throw thrown;
    });
    expect(await run(task)).toMatchObject(expected);
  });

  it('is retried by itself for the errors that are named, until its retries are used up', async () => {
    const task = app().task(
      't',
      { autoretryFor: [RangeError], maxRetries: 2, retryBackoff: 10, retryJitter: false },
      () => {
        throw new RangeError('busy');
      },
    );
    const before = Date.now();
    const first = await run(task);
    expect(first).toMatchObject({ kind: 'retry', retry: { cause: expect.any(RangeError) } });
    if (first.kind === 'retry') expect(first.retry.at.getTime() - before).toBeGreaterThanOrEqual(10_000);
    expect(await run(task, [], {}, 1)).toMatchObject({ kind: 'retry' });
    expect(await run(task, [], {}, 2)).toMatchObject({ kind: 'failure', error: expect.any(RangeError) });
  });

  it('is repeated when it returns its retry in place of throwing it', async () => {
    const task = app().task('t', { bind: true }, (bound) => bound.retry(new Error('again')));
    expect(await run(task)).toMatchObject({ kind: 'retry', retry: { cause: { message: 'again' } } });
  });

  it('is repeated when its retry says, without an error, only how; any other object is the error', async () => {
    const soon = app().task('t', { bind: true }, (bound) => bound.retry({ countdown: 1, maxRetries: 7 }));
    expect(await run(soon)).toMatchObject({
      kind: 'retry',
      retry: { cause: undefined, options: { countdown: 1, maxRetries: 7 } },
    });
    for (const odd of [{ countdown: 1, why: 'busy' }, {}, new Date()]) {
      const task = app().task('t', { bind: true }, (bound) => bound.retry(odd));
      expect(await run(task)).toMatchObject({ kind: 'retry', retry: { cause: odd, options: {} } });
    }
  });

  it('warns when it made a retry and ended without throwing it', async () => {
    const warnings: string[] = [];
    const task = app().task('t', { bind: true }, (bound) => {
      bound.retry(new Error('forgotten'));
      return 5;
    });
    const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
    expect(await runTask(task, { ...context(task), logger })).toEqual({ kind: 'success', value: 5 });
    expect(warnings).toEqual(["t made a retry and ended without throwing it: write 'throw task.retry(…)'"]);
  });

  it('fails when its retry says what no worker could read', async () => {
    const task = app().task('t', { bind: true }, (bound) => {
      throw bound.retry(new Error('x'), { priority: 1000 });
    });
    expect(await run(task)).toMatchObject({ kind: 'failure', error: { code: 'UMBEL_CONFIG' } });
  });

  it('can be found from anywhere in it, also after waiting, and from nowhere else', async () => {
    const seen: (string | undefined)[] = [];
    const deep = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(currentTask()?.request.id);
    };
    const task = app().task('t', () => deep());
    const contexts = [context(task), context(task)];
    await Promise.all(contexts.map((one) => runTask(task, one)));
    expect(seen).toEqual(contexts.map(({ request }) => request.id));
    expect(currentTask()).toBeUndefined();
  });

  it('passes state, signal and logger through', async () => {
    const states: unknown[] = [];
    const lines: unknown[] = [];
    const task = app().task('t', { bind: true }, async (bound: BoundTask) => {
      await bound.updateState('PROGRESS', { done: 1 });
      bound.logger.info({ rows: 3 }, 'read');
      bound.logger.info('alone');
      return bound.signal === around.signal;
    });
    const around: RunContext = {
      ...context(task),
      logger: { ...silentLogger, info: (...line) => void lines.push(line) },
      updateState: async (...state) => void states.push(state),
    };
    expect(await runTask(task, around)).toEqual({ kind: 'success', value: true });
    expect(states).toEqual([['PROGRESS', { done: 1 }]]);
    expect(lines).toEqual([
      [{ rows: 3 }, 'read'],
      [{}, 'alone'],
    ]);
  });

  it('that its signal ended fails with the reason of the signal, also when a timer says only that it was aborted', async () => {
    const task = app().task('wait', { bind: true }, async ({ signal }) => {
      await sleep(10_000, undefined, { signal });
    });
    const reason = new SoftTimeLimitExceeded(1);
    const around = { ...context(task), signal: AbortSignal.abort(reason) };
    expect(await runTask(task, around)).toMatchObject({ kind: 'failure', error: reason });
  });
});

describe('the arguments of a keyword task', () => {
  const schema = z.object({
    path: z.string(),
    depth: z.number().default(1),
    tags: z.array(z.string()).default([]),
  });
  const echo = (input: ObjectSchema = schema): AnyTask => app().task('echo', { input }, (value) => value);

  it.each<[string, readonly unknown[], Json, unknown]>([
    ['by name', [], { path: 'a', depth: 2 }, { path: 'a', depth: 2, tags: [] }],
    ['by position, as Python may send them', ['a', 2], {}, { path: 'a', depth: 2, tags: [] }],
    ['by both', ['a'], { tags: ['x'] }, { path: 'a', depth: 1, tags: ['x'] }],
    ['all by position', ['a', 3, ['y']], {}, { path: 'a', depth: 3, tags: ['y'] }],
  ])('come %s', async (_, args, kwargs, value) => {
    expect(await run(echo(), args, kwargs)).toEqual({ kind: 'success', value });
  });

  it.each<[string, readonly unknown[], Json, string]>([
    ['one does not fit', [5], {}, '$.path:'],
    ['one is missing', [], {}, '$.path:'],
    [
      'there are too many',
      ['a', 1, [], 4],
      {},
      '$args: takes at most 3 arguments (path, depth, tags), 4 given',
    ],
    ['one comes twice', ['a'], { path: 'b' }, '$.path: given twice, by position and by name'],
  ])('fail the task before its body when %s', async (_, args, kwargs, message) => {
    const body = vi.fn();
    const task = app().task('t', { input: schema }, body);
    expect(await run(task, args, kwargs)).toMatchObject({
      kind: 'failure',
      error: { code: 'UMBEL_INVALID_ARGUMENTS', message: expect.stringContaining(message) },
    });
    expect(body).not.toHaveBeenCalled();
  });

  it('are matched by the order of any schema that tells it', async () => {
    const validate = (value: unknown): { value: object } => ({ value: Object(value) });
    const standard = { version: 1, vendor: 'own', validate } as const;
    const valibotLike: ObjectSchema = Object.assign({ '~standard': standard }, { entries: { b: {}, a: {} } });
    const jsonSchema = { input: () => ({ type: 'object', properties: { y: {}, x: {} } }) };
    const arktypeLike: ObjectSchema = { '~standard': { ...standard, jsonSchema } };
    expect(await run(echo(valibotLike), [1, 2])).toMatchObject({ value: { b: 1, a: 2 } });
    expect(await run(echo(arktypeLike), [1, 2])).toMatchObject({ value: { y: 1, x: 2 } });
    expect(await run(echo(schema.refine(() => true)), ['a', 2])).toMatchObject({
      value: { path: 'a', depth: 2 },
    });
    const silent: ObjectSchema = { '~standard': standard };
    expect(await run(echo(silent), [], { z: 1 })).toMatchObject({ value: { z: 1 } });
    expect(await run(echo(silent), [1])).toMatchObject({
      kind: 'failure',
      error: { message: expect.stringContaining('send keyword arguments') },
    });
  });

  it('do not reach the prototypes', async () => {
    const kwargs: Json = JSON.parse('{"path": "a", "__proto__": {"polluted": true}}');
    await run(echo(), [], kwargs);
    await run(echo(), ['a'], JSON.parse('{"__proto__": {"polluted": true}}'));
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('by name are refused by a positional task, which cannot know them', async () => {
    const task = app().task('t', (x: number) => x);
    expect(await run(task, [], { x: 1 })).toMatchObject({
      kind: 'failure',
      error: { message: expect.stringContaining('$kwargs.x') },
    });
  });
});

describe('hooks and signals', () => {
  function listening(body: () => unknown): { task: AnyTask; heard: unknown[] } {
    const own = app();
    const heard: unknown[] = [];
    const task = own.task(
      't',
      {
        autoretryFor: [RangeError],
        beforeStart: (bound) => heard.push(['beforeStart', bound.name, currentTask() === bound]),
        onSuccess: (result, bound) => heard.push(['onSuccess', result, bound.request.queue]),
        onFailure: (error) => heard.push(['onFailure', error.message]),
        onRetry: (reason) => heard.push(['onRetry', String(reason)]),
        afterReturn: (state, result) =>
          heard.push(['afterReturn', state, result instanceof Error ? result.message : result]),
      },
      body,
    );
    for (const name of ['taskPrerun', 'taskPostrun', 'taskSuccess', 'taskFailure', 'taskRetry'] as const) {
      own.signals[name].connect(() => heard.push(name));
    }
    return { task, heard };
  }

  it('hear of a success', async () => {
    const { task, heard } = listening(() => 5);
    await run(task);
    expect(heard).toEqual([
      'taskPrerun',
      ['beforeStart', 't', true],
      ['onSuccess', 5, 'celery'],
      ['afterReturn', 'SUCCESS', 5],
      'taskSuccess',
      'taskPostrun',
    ]);
  });

  it('hear of a failure', async () => {
    const { task, heard } = listening(() => {
      throw new TypeError('wrong');
    });
    await run(task);
    expect(heard.slice(2)).toEqual([
      ['onFailure', 'wrong'],
      ['afterReturn', 'FAILURE', 'wrong'],
      'taskFailure',
      'taskPostrun',
    ]);
  });

  it('hear of a retry', async () => {
    const { task, heard } = listening(() => {
      throw new RangeError('busy');
    });
    await run(task);
    expect(heard.slice(2)).toEqual([
      ['onRetry', 'RangeError: busy'],
      ['afterReturn', 'RETRY', 'busy'],
      'taskRetry',
      'taskPostrun',
    ]);
  });

  it('hear of Ignore and Reject by afterReturn and taskPostrun', async () => {
    for (const [thrown, state] of [
      [new Ignore(), 'IGNORED'],
      [new Reject('no'), 'REJECTED'],
    ] as const) {
      const { task, heard } = listening(() => {
        throw thrown;
      });
      await run(task);
      expect(heard.slice(2)).toEqual([
        ['afterReturn', state, state === 'REJECTED' ? 'no' : undefined],
        'taskPostrun',
      ]);
    }
  });

  it('change nothing when they fail, and that is logged', async () => {
    const own = app();
    const errors: string[] = [];
    const fail = (): never => {
      throw new Error('hook');
    };
    const task = own.task('t', { onSuccess: fail, afterReturn: async () => fail() }, () => 5);
    own.signals.taskPostrun.connect(fail);
    const around = {
      ...context(task),
      logger: { ...silentLogger, error: (_: object, message: string) => void errors.push(message) },
    };
    const outcome = await runTask(task, around);
    await runHooks(task, around, outcome);
    expect(outcome).toEqual({ kind: 'success', value: 5 });
    expect(errors).toEqual([
      'the hook onSuccess failed: Error: hook',
      'the hook afterReturn failed: Error: hook',
      'a receiver of the signal taskPostrun failed: Error: hook',
    ]);
  });

  it('and cost nothing where there are none: nothing is waited for', async () => {
    const outcome: Outcome = { kind: 'success', value: 1 };
    const plain = app().task('plain', () => 1);
    expect(runHooks(plain, context(plain), outcome)).toBeNull();
    for (const hook of ['onSuccess', 'onFailure', 'onRetry', 'afterReturn']) {
      const hooked = app().task('hooked', { [hook]: () => undefined }, () => 1);
      expect(runHooks(hooked, context(hooked), outcome), hook).toBeInstanceOf(Promise);
    }
  });

  it('except beforeStart, whose error is the task’s', async () => {
    const body = vi.fn();
    const task = app().task('t', { beforeStart: () => Promise.reject(new TypeError('not ready')) }, body);
    expect(await run(task)).toMatchObject({ kind: 'failure', error: { message: 'not ready' } });
    expect(body).not.toHaveBeenCalled();
  });
});

describe('the message that repeats a task', () => {
  const own = app();
  const task = own.task('t', (x: number) => x);
  const { message } = prepareCall(
    own,
    't',
    [1],
    {},
    { headers: { a: 1 }, groupId: 'g', priority: 3, expires: 100 },
    task.options,
  );

  it('is the same but for its count, its time and its parent', () => {
    const at = new Date(Date.now() + 5000);
    expect(retryMessage(message, new Retry(at, {}, undefined))).toEqual({
      ...message,
      retries: 1,
      eta: at,
      parentId: message.id,
    });
  });

  it('has what the retry says', () => {
    const options = {
      args: [2],
      kwargs: { k: 'v' },
      priority: 9,
      expires: 60,
      timeLimit: 5,
      softTimeLimit: 4,
    };
    expect(retryMessage(message, new Retry(new Date(0), options, undefined), 1000)).toMatchObject({
      args: [2],
      argsrepr: '(2,)',
      kwargs: { k: 'v' },
      kwargsrepr: "{'k': 'v'}",
      priority: 9,
      expires: new Date(61_000),
      timeLimit: 5,
      softTimeLimit: 4,
    });
  });
});
