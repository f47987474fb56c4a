import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { chain, chord } from '../../../src/app/compose.ts';
import { ConfigError, PoolError, TaskFailedError } from '../../../src/errors.ts';
import { captureEvents } from '../../../src/events/receiver.ts';
import type { WireEvent } from '../../../src/protocol/event.ts';
import { Decimal } from '../../../src/protocol/values.ts';
import { Worker, type WorkerOptions } from '../../../src/worker/worker.ts';
import { patience } from '../../until.ts';
import { moduleOf } from '../bench.ts';
import { MemoryLog } from '../memory-log.ts';
import * as tasks from './app.ts';

const module = moduleOf('test/worker/pools/app.ts');

async function failure(result: Promise<{ get(options: { timeout: number }): Promise<unknown> }>) {
  const error = await (await result).get(patience).then(
    (value) => expect.fail(`it returned ${String(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TaskFailedError)) throw error;
  return error;
}

async function dead(reason: string): Promise<string[]> {
  const letters = await (await tasks.app.broker()).deadLetters.list();
  return letters.filter((letter) => letter.reason === reason).map(({ detail }) => detail);
}

describe.each(['threads', 'processes'] as const)('the pool %s', (pool) => {
  const log = new MemoryLog();
  const options: WorkerOptions = {
    pool,
    module,
    concurrency: 2,
    logger: log,
    name: `${pool}@here`,
    taskEvents: true,
  };
  let worker: Worker;
  beforeAll(async () => {
    worker = new Worker(tasks.app, options);
    await worker.start();
  });
  afterAll(() => worker.stop());

  it('runs tasks elsewhere, and returns what they return', async () => {
    expect(await (await tasks.add.delay(2, 3)).get(patience)).toBe(5);
    const { pid, thread } = await (await tasks.where.delay()).get(patience);
    if (pool === 'processes') expect(pid).not.toBe(process.pid);
    else expect([pid, thread > 0]).toEqual([process.pid, true]);
  });

  it('has told each child that it began, and wraps its tasks in the middleware of the module', async () => {
    expect(await (await tasks.wrapped.delay()).get(patience)).toBe(`wrapped of ${pool}@here`);
  });

  it('brings values of all types back', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z');
    const { next, price, big } = await (await tasks.typed.delay(at)).get(patience);
    expect([next, big]).toEqual([new Date(at.getTime() + 1000), 2n ** 70n]);
    expect(price).toEqual(new Decimal('12.50'));
  });

  it('shows a task how its message came', async () => {
    const sent = await tasks.properties.applyAsync([], { priority: 3 });
    expect(await sent.get(patience)).toMatchObject({
      properties: {
        correlation_id: sent.id,
        delivery_mode: 2,
        delivery_tag: expect.any(String),
        delivery_info: { exchange: '', routing_key: 'celery' },
        priority: 3,
      },
      deliveryInfo: { exchange: '', routingKey: 'celery', priority: 3, redelivered: false },
    });
  });

  it('fails a task as the worker itself would, with the stack of its causes', async () => {
    const error = await failure(tasks.fail.delay());
    expect([error.remoteType, error.remoteMessage]).toEqual(['RangeError', 'out of range']);
    expect(error.remoteStack).toMatch(/pools\/app\.[jt]s[\s\S]*Caused by: Error: deep below/);
  });

  it('retries with the arguments that the retry says', async () => {
    expect(await (await tasks.again.delay([])).get(patience)).toEqual([0, 1]);
  });

  it('stores the states of a task, tells them and its lines, and writes those into the log of the worker', async () => {
    const heard: WireEvent[] = [];
    await using _ = await captureEvents(tasks.app, (event) => heard.push(event), { wakeup: false });
    const result = await tasks.progress.delay();
    const seen: unknown[] = [];
    expect(await result.get({ ...patience, onProgress: (meta) => seen.push(meta) })).toBe('done');
    const line = log.lines.find(({ text }) => text === 'one step done');
    expect(line?.fields).toEqual({ step: 1, task_id: result.id, task_name: 'pools.progress' });
    const told = (): unknown[] =>
      heard
        .filter(({ type, uuid }) => uuid === result.id && type.startsWith('umbel-'))
        .map(({ progress, message }) => progress ?? message);
    await expect.poll(told).toEqual([{ done: 1 }, 'one step done', 'another', { done: 2 }]);
  });

  it('lets a task tell events of its own, and that it has sent a task', async () => {
    const heard: WireEvent[] = [];
    await using _ = await captureEvents(tasks.app, (event) => heard.push(event), { wakeup: false });
    const result = await tasks.tells.delay();
    const sent = await result.get(patience);
    const find = (type: string, uuid: string): WireEvent | undefined =>
      heard.find((event) => event.type === type && event.uuid === uuid);
    await expect.poll(() => find('order-shipped', result.id)).toBeDefined();
    expect(find('order-shipped', result.id)).toMatchObject({ order: 17, hostname: `${pool}@here` });
    await expect.poll(() => find('task-sent', sent)).toBeDefined();
    expect(find('task-sent', sent)).toMatchObject({ name: 'pools.add', args: '(1, 1)' });
  });

  it('lets a task send tasks and wait for them, through the worker', async () => {
    const result = await tasks.parent.delay();
    expect(await result.get(patience)).toBe(42);
    const record = await (await tasks.app.backend())?.get(result.id);
    expect(record?.children).toHaveLength(1);
  });

  it('lets another workflow take the place of a task: what follows the task follows that', async () => {
    const result = await chain(tasks.swap.s(10), tasks.add.s(1)).delay();
    expect(await result.get(patience)).toBe(24);
    expect(await result.parent?.get(patience)).toBe(23);
    const whole = await chord([tasks.swap.s(1), tasks.add.s(1, 1)], tasks.total.s()).delay();
    expect(await whole.get(patience)).toBe(7);
  });

  it('asks a task to stop at its soft time limit', async () => {
    expect((await failure(tasks.patient.delay())).remoteType).toBe('SoftTimeLimitExceeded');
  });

  it('ends a busy loop at its hard time limit, without harm to its neighbour, and goes on', async () => {
    const spinning = tasks.spin.delay();
    const neighbours = await Promise.all(Array.from({ length: 20 }, (_, n) => tasks.add.delay(n, 1)));
    expect((await failure(spinning)).remoteType).toBe('TimeLimitExceeded');
    expect(await Promise.all(neighbours.map((each) => each.get(patience)))).toHaveLength(20);
    const after = await Promise.all([1, 2, 3, 4].map((n) => tasks.add.delay(n, n)));
    expect(await Promise.all(after.map((each) => each.get(patience)))).toEqual([2, 4, 6, 8]);
  });

  it('fails a task that throws in a callback', async () => {
    expect((await failure(tasks.late.delay())).remoteMessage).toBe('from a callback');
  });

  it('fails a task whose result has no form on the wire', async () => {
    const error = await failure(tasks.unwritable.delay());
    expect([error.remoteType, error.remoteMessage]).toEqual([
      'EncodeError',
      expect.stringContaining('$.handler'),
    ]);
  });

  it('carries out Reject and Ignore', async () => {
    await tasks.reject.delay();
    await tasks.ignore.delay();
    await expect.poll(() => dead('rejected')).toContain('not for me');
  });

  it('runs a task again whose process ends of itself, three times, and then puts it away', async () => {
    const before = (await dead('max-deliveries')).length;
    const error = await failure(tasks.exit.delay(7));
    expect(error.remoteType).toBe('WorkerLostError');
    expect(await dead('max-deliveries')).toHaveLength(before + 1);
    expect(log.texts('error').filter((text) => text.includes('exit code 7')).length).toBeGreaterThan(0);
    expect(await (await tasks.add.delay(1, 1)).get(patience)).toBe(2);
  });
});

describe('the pool processes', () => {
  const start = async (options: Partial<WorkerOptions> = {}): Promise<Worker> => {
    const worker = new Worker(tasks.app, { pool: 'processes', module, concurrency: 1, ...options });
    await worker.start();
    return worker;
  };

  it('outlives a task that kills its process', async () => {
    await using _ = await start();
    const killed = failure(tasks.killed.delay());
    expect((await killed).remoteType).toBe('WorkerLostError');
    expect(await (await tasks.add.delay(1, 1)).get(patience)).toBe(2);
  });

  it('outlives a task that breaks what all code stands on', async () => {
    await using _ = await start();
    expect((await failure(tasks.broken.delay())).remoteType).toBe('WorkerLostError');
    expect(await (await tasks.add.delay(1, 1)).get(patience)).toBe(2);
  });

  it('fails at once what was acknowledged early and died', async () => {
    await using _ = await start();
    const error = await failure(tasks.early.delay());
    expect([error.remoteType, error.remoteMessage]).toEqual([
      'WorkerLostError',
      expect.stringContaining('SIGKILL'),
    ]);
  });

  it('replaces a process after so many tasks', async () => {
    await using _ = await start({ maxTasksPerChild: 2 });
    const pids: number[] = [];
    for (let n = 0; n < 4; n++) pids.push((await (await tasks.where.delay()).get(patience)).pid);
    expect([pids[0] === pids[1], pids[1] === pids[2], pids[2] === pids[3]]).toEqual([true, false, true]);
  });

  it('replaces a process that takes too much memory', async () => {
    await using _ = await start({ maxMemoryPerChild: 1 });
    const first = (await (await tasks.where.delay()).get(patience)).pid;
    expect((await (await tasks.where.delay()).get(patience)).pid).not.toBe(first);
  });

  it('ends its processes when the worker stops', async () => {
    const worker = await start({ concurrency: 2 });
    const { pid } = await (await tasks.where.delay()).get(patience);
    await worker.stop();
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('ends what runs at a cold stop, and its message goes back', async () => {
    const worker = await start();
    const result = await tasks.late.delay();
    await tasks.app.broker();
    await expect.poll(async () => (await (await tasks.app.broker()).size('celery')).claimed).toBe(1);
    await worker.stop({ cold: true });
    const size = await (await tasks.app.broker()).size('celery');
    const record = await (await tasks.app.backend())?.get(result.id);
    // Or it had failed before the stop came.
    expect(size.ready === 1 || record?.status === 'FAILURE').toBe(true);
    await (await tasks.app.broker()).purge('celery');
  });
});

describe.each(['threads', 'processes'] as const)('the pool %s', (pool) => {
  it('reads an application in TypeScript', async () => {
    const typescript = fileURLToPath(new URL('./typescript-app.ts', import.meta.url));
    const app = new App('typescript', { broker: 'memory://typescript' });
    await using _ = app;
    app.task('typescript.add', () => 'not here');
    await using worker = new Worker(app, { pool, module: typescript, concurrency: 1 });
    await worker.start();
    expect(await (await app.send('typescript.add', [2, 3])).get(patience)).toBe(5);
  });
});

describe('a pool that cannot start', () => {
  it('says what module it needs', () => {
    expect(() => new Worker(tasks.app, { pool: 'processes' })).toThrow(ConfigError);
    expect(() => new Worker(tasks.app, { pool: 'processes' })).toThrow(/module: import\.meta\.url/);
    expect(() => new Worker(tasks.app, { pool: 'proceses' as never })).toThrow(/did you mean 'processes'/);
  });

  it('says why the application cannot be loaded there', async () => {
    const missing = `${module}.none.js`;
    const worker = new Worker(tasks.app, { pool: 'threads', module: missing, concurrency: 1 });
    await expect(worker.start()).rejects.toThrow(PoolError);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
