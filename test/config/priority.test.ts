import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chain, group } from '../../src/app/compose.ts';
import { currentTask } from '../../src/app/running/context.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { type PriorityName, priorityNumber } from '../../src/config/priority.ts';
import { ConfigError } from '../../src/errors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { Worker } from '../../src/worker/worker.ts';
import { patienceMs, until } from '../until.ts';

const names: readonly PriorityName[] = ['urgent', 'high', 'normal', 'low'];
const numbers = (priorityOrder: 'lowest-first' | 'highest-first', maxPriority: number | null): number[] =>
  names.map((name) => priorityNumber(name, { priorityOrder, maxPriority }));

describe('the number of a priority', () => {
  it('by name is that of one of the four lists on Redis, and mirrored on RabbitMQ', () => {
    expect(numbers('lowest-first', null)).toEqual([0, 3, 6, 9]);
    expect(numbers('highest-first', null)).toEqual([9, 6, 3, 0]);
    expect(numbers('highest-first', 10)).toEqual([9, 6, 3, 0]);
    expect(numbers('highest-first', 255)).toEqual([9, 6, 3, 0]);
  });

  it.each([3, 4, 5, 6, 7, 8])('keeps the names apart in a queue that knows %i priorities', (max) => {
    const found = numbers('highest-first', max);
    expect(new Set(found).size).toBe(4);
    expect(found).toEqual([...found].sort((a, b) => b - a));
    expect(Math.max(...found)).toBe(max);
  });

  it('that is one already stays as it is', () => {
    for (const priorityOrder of ['lowest-first', 'highest-first'] as const)
      expect(priorityNumber(7, { priorityOrder, maxPriority: 5 })).toBe(7);
  });
});

describe('an application that gives priorities by name', () => {
  const named: AppOptions = { broker: 'memory://', taskDefaultPriority: 'normal' };

  async function order(app: App): Promise<string[]> {
    const broker = await app.broker();
    await using consumer = await broker.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const got: string[] = [];
    for (const delivery of await consumer.claim(() => 20, AbortSignal.timeout(patienceMs))) {
      if (delivery.message.ok) got.push(String(delivery.message.value.headers.id));
      await delivery.settle({ kind: 'ack' });
    }
    return got;
  }

  it('has its urgent calls before the high ones, these before those that say nothing, and the low ones last', async () => {
    await using app = new App('test', {
      ...named,
      taskRoutes: { routed: { priority: 'high' } },
    });
    const own = app.task('own', { priority: 'low' }, () => 1);
    await own.applyAsync([], { taskId: 'low task' });
    await app.send('t', [], { taskId: 'unsaid' });
    await app.send('t', [], { taskId: 'normal', priority: 'normal' });
    await app.send('routed', [], { taskId: 'high route' });
    await app.send('t', [], { taskId: 'urgent', priority: 'urgent' });
    expect(await order(app)).toEqual(['urgent', 'high route', 'unsaid', 'normal', 'low task']);
  });

  it('has the right number also for the call that opens the broker', async () => {
    await using app = new App('test', named);
    const sending = app.send('t', [], { priority: 'low' });
    await sending;
    const broker = await app.broker();
    await using consumer = await broker.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const [delivery] = await consumer.claim(() => 1, AbortSignal.timeout(patienceMs));
    expect(delivery?.message.ok && delivery.message.value.properties.priority).toBe(9);
  });

  it('may give numbers beside them', async () => {
    await using app = new App('test', named);
    for (const priority of [9, 'low', 1, 'urgent', 'high', 4] as const)
      await app.send('t', [], { taskId: String(priority), priority });
    expect(await order(app)).toEqual(['urgent', '1', 'high', '4', '9', 'low']);
  });

  it.each<[string, (app: App) => unknown]>([
    ['a task', (app) => app.task('t', { priority: 'high' }, () => 1)],
    ['a call', (app) => app.send('t', [], { priority: 'high' })],
    ['a route', (app) => app.send('routed')],
  ])('must say what calls without a priority have, or the name of %s is refused', async (_, use) => {
    await using app = new App('test', { broker: 'memory://', taskRoutes: { routed: { priority: 'high' } } });
    await expect(async () => use(app)).rejects.toThrow("{ taskDefaultPriority: 'normal' }");
    await expect(async () => use(app)).rejects.toThrow(ConfigError);
  });

  it('is told the names when it says another', async () => {
    await using app = new App('test', named);
    const wrong = { priority: 'highest' } as object;
    await expect(app.send('t', [], wrong)).rejects.toThrow('one of urgent, high, normal, low');
  });

  it('sends 0, as Celery does, when it says nothing of priorities', async () => {
    await using app = new App('test', { broker: 'memory://' });
    await app.send('t');
    const broker = await app.broker();
    await using consumer = await broker.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const [delivery] = await consumer.claim(() => 1, AbortSignal.timeout(patienceMs));
    expect(delivery?.message.ok && delivery.message.value.properties.priority).toBe(0);
  });
});

describe('a retry', () => {
  it('may have a priority by name, and keeps its own else', async () => {
    await using app = new App('test', { broker: 'memory://', taskDefaultPriority: 'normal' });
    const priorities: number[] = [];
    const again = app.task('again', { bind: true }, (task, how: PriorityName | null) => {
      priorities.push(task.request.message.priority);
      if (task.request.retries === 0)
        throw task.retry(undefined, { countdown: 0, ...(how !== null && { priority: how }) });
      return 'done';
    });
    await using worker = new Worker(app);
    await worker.start();
    await (await again.applyAsync([null], { priority: 'high' })).get({ timeout: 60 });
    await (await again.applyAsync(['low'], { priority: 'high' })).get({ timeout: 60 });
    expect(priorities).toEqual([3, 3, 3, 9]);
    const wrong = app.task('wrong', { bind: true }, (task) =>
      task.retry(undefined, { priority: 'top' as never }),
    );
    await expect((await wrong.apply([])).get()).rejects.toThrow('one of urgent');
    await using unnamed = new App('test', { broker: 'memory://' });
    const early = unnamed.task('t', { bind: true }, (task) => task.retry(undefined, { priority: 'low' }));
    await expect((await early.apply([])).get()).rejects.toThrow('taskDefaultPriority');
  });
});

it.each([
  [true, { single: 7, grouped: 7, own: 2, next: 7 }],
  [false, { single: 0, grouped: 0, own: 2, next: 0 }],
])('with taskInheritParentPriority %s: what a task sends, and what follows it', async (inherit, expected) => {
  await using app = new App('inheriting', { broker: 'memory://', taskInheritParentPriority: inherit });
  const seen: Record<string, number> = {};
  const note = (name: string): void => {
    seen[name] = currentTask()?.request.priority ?? -1;
  };
  const sent = app.task('sent', note);
  const own = app.task('own', { priority: 2 }, note);
  const next = app.task('next', () => note('next'));
  const parent = app.task('parent', async () => {
    await Promise.all([sent.delay('single'), group([sent.s('grouped')]).delay(), own.delay('own')]);
  });
  await using worker = new Worker(app, { logger: silentLogger });
  await worker.start();
  await chain(parent.s().set({ priority: 7 }), next.si()).delay();
  await until(() => Object.keys(seen).length === 4, 'four tasks');
  expect(seen).toEqual(expected);
});
