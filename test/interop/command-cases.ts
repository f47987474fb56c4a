// Celery's commands against our worker and ours against Celery's, those that the suite beside does not try; and what workers ask each other.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Control } from '../../src/control/control.ts';
import type { App } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { umbel } from '../cli/harness.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { type CelerySettings, PythonProcess } from './harness/python-process.ts';
import { PythonWorker } from './harness/python-worker.ts';
import { watchingCases } from './watching-cases.ts';

export interface Between {
  readonly app: App;
  readonly worker: Worker;
  /** What it says. */
  readonly log: MemoryLog;
  /** The name of our worker, which serves the queue `ts`. */
  readonly node: string;
  readonly python: CelerySettings;
  readonly urls: { readonly broker: string; readonly backend: string };
  /** Runs `celery …` and gives what it printed. */
  celery(...args: readonly string[]): Promise<string>;
  /** The answer of our worker to a command of Celery's. */
  asked(...args: readonly string[]): Promise<unknown>;
}

const there = 'python@there';

export function commandCases(between: () => Between): void {
  describe('all other commands', () => cases(between));
}

function cases(between: () => Between): void {
  let python: PythonWorker;
  beforeAll(async () => {
    // With children that can be ended.
    python = await PythonWorker.start({
      settings: { ...between().python, worker_pool_restarts: true },
      queues: ['there'],
      name: there,
      pool: 'prefork',
      concurrency: 2,
    });
  }, 120_000);
  afterAll(() => python?.[Symbol.asyncDispose]());

  test("Python's call, result and purge reach us", { timeout: 90_000 }, async () => {
    const { app, celery } = between();
    const printed = await celery('call', 'ts.add', '-a', '[2, 3]', '--queue', 'ts');
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(printed)?.[0] ?? '';
    expect(await app.result(id).get({ timeout: 20 })).toBe(5);
    for (let n = 0; n < 3; n++) await app.send('ts.add', [n, n], { queue: 'purged' });
    const [result, purged] = await Promise.all([celery('result', id), celery('purge', '-f', '-Q', 'purged')]);
    expect(result).toMatch(/^5$/m);
    expect(purged).toContain('Purged 3 messages from 1 known task queue');
    expect(await (await app.broker()).size('purged')).toMatchObject({ ready: 0 });
  });

  test("the rest of Python's control is answered in Celery's form", { timeout: 120_000 }, async () => {
    const { app, asked } = between();
    const held = await app.send('ts.held', [], { queue: 'ts' });
    await expect.poll(() => held.status(), { timeout: 20_000 }).toBe('STARTED');
    const [enabled, terminated, beat, restarted, memory] = await Promise.all([
      asked('control', 'enable_events'),
      asked('control', 'terminate', 'SIGTERM', held.id),
      asked('control', 'heartbeat'),
      asked('control', 'pool_restart'),
      asked('inspect', 'memsample'),
    ]);
    expect(enabled).toEqual({ ok: expect.stringMatching(/^task events (already )?enabled$/) });
    expect(terminated).toEqual({ ok: `terminate: ${held.id}` });
    expect([beat, restarted]).toEqual([null, { error: "ValueError('Pool restarts not enabled')" }]);
    expect(memory).toEqual(expect.stringContaining('rss'));
    await expect(held.get({ timeout: 20 })).rejects.toThrow(/terminated|revoked/);
    const [revoked, disabled] = await Promise.all([
      asked('inspect', 'revoked'),
      asked('control', 'disable_events'),
    ]);
    expect(revoked).toContain(held.id);
    expect(disabled).toEqual({ ok: 'task events disabled' });
  });

  test("Python's control ends our worker, and its status no longer shows it", {
    timeout: 90_000,
  }, async () => {
    const { app, celery } = between();
    await using going = new Worker(app, { name: 'going@here', queues: ['going'] });
    await going.start();
    const running = going.run();
    await celery('control', 'shutdown', '-d', 'going@here');
    await running;
    expect(await celery('status', '-t', '2')).not.toContain('going@here');
  });

  test("every question of ours is answered by Python's worker", { timeout: 60_000 }, async () => {
    const { app, urls } = between();
    await using control = new Control(app);
    const inspect = control.inspect({ destination: [there], timeout: 20 });
    const of = async <T>(
      asked: Promise<{ readonly replies: ReadonlyMap<string, T> }>,
    ): Promise<T | undefined> => (await asked).replies.get(there);
    const long = await app.send('py.sleep', [600], { queue: 'there' });
    await expect.poll(async () => (await of(inspect.active()))?.length, { timeout: 20_000 }).toBe(1);
    expect(await of(inspect.active())).toMatchObject([{ id: long.id, name: 'py.sleep', args: [600] }]);
    expect(await of(inspect.queryTask(long.id))).toMatchObject({ [long.id]: ['active', { id: long.id }] });
    expect(await of(inspect.reserved())).toEqual([]);
    // On RabbitMQ it waits in the broker.
    const later = await app.send('py.add', [1, 1], { queue: 'there', countdown: 500 });
    const held = urls.broker.startsWith('amqp') ? [] : [later.id];
    await expect
      .poll(async () => (await of(inspect.scheduled()))?.map(({ request }) => request.id), {
        timeout: 20_000,
      })
      .toEqual(held);
    expect(await of(inspect.registered())).toContain('py.add');
    expect(await of(inspect.activeQueues())).toMatchObject([{ name: 'there' }]);
    expect(await of(inspect.stats())).toMatchObject({ pool: { 'max-concurrency': 2 } });
    expect(await of(inspect.conf())).toMatchObject({ result_backend: expect.any(String) });
    expect(await of(inspect.report())).toMatchObject({ ok: expect.stringContaining('celery') });
    expect(await of(inspect.clock())).toEqual({ clock: expect.any(Number) });
    const whom = { destination: [there], timeout: 20 };
    await control.terminate(long.id, whom);
    await expect(long.get({ timeout: 20 })).rejects.toThrow(/terminated|revoked/);
    expect((await of(inspect.revoked())) ?? []).toContain(long.id);
    await control.revoke(later.id, whom);
  });

  test("every command of ours is done by Python's worker", { timeout: 60_000 }, async () => {
    await using control = new Control(between().app);
    const whom = { destination: [there], timeout: 20 };
    const answer = async (
      asked: Promise<{ readonly replies: ReadonlyMap<string, unknown> }>,
    ): Promise<unknown> => (await asked).replies.get(there);
    expect(await answer(control.timeLimit('py.add', { soft: 30, hard: 60 }, whom))).toEqual({
      ok: 'time limits set successfully',
    });
    expect(await answer(control.rateLimit('py.add', '50/s', whom))).toEqual({
      ok: 'new rate limit set successfully',
    });
    expect(await answer(control.poolGrow(1, whom))).toEqual({ ok: 'pool will grow' });
    expect(await answer(control.poolShrink(1, whom))).toEqual({ ok: 'pool will shrink' });
    expect(await answer(control.autoscale(3, 1, whom))).toEqual({
      error: expect.stringContaining('Autoscale not enabled'),
    });
    expect(await answer(control.addConsumer('extra', whom))).toEqual({ ok: 'add consumer extra' });
    expect(await answer(control.cancelConsumer('extra', whom))).toEqual({
      ok: 'no longer consuming from extra',
    });
    expect(await answer(control.enableEvents(whom))).toEqual({ ok: 'task events enabled' });
    expect(await answer(control.disableEvents(whom))).toEqual({ ok: 'task events disabled' });
    expect(await answer(control.ask('heartbeat', {}, whom))).toBe(null);
    expect(await answer(control.ask('pool_restart', {}, whom))).toEqual({ ok: 'reload started' });
  });

  test("our command line works with Python's worker, without an application", {
    timeout: 120_000,
  }, async () => {
    const { urls, app } = between();
    const at = ['-b', urls.broker, '--result-backend', urls.backend];
    const cli = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr, code } = await umbel('.', [...at, ...args]);
      if (code !== 0) throw new Error(`${args.join(' ')}: ${code}: ${stderr}`);
      return stdout;
    };
    for (let n = 0; n < 2; n++) await app.send('py.add', [n, n], { queue: 'idle' });
    const to = ['-d', there, '-t', '20'];
    const [status, stats, limited, called, purged, bindings, report] = await Promise.all([
      cli('status', '-t', '5'),
      cli('inspect', 'stats', ...to, '--json'),
      cli('control', 'rate_limit', 'py.add', '100/s', ...to),
      cli('call', 'py.add', '-a', '[20, 22]', '-Q', 'there', '--wait', '30s'),
      cli('purge', '-f', '-Q', 'idle'),
      cli('list', 'bindings'),
      cli('report'),
    ]);
    expect(status).toContain(there);
    expect(stats).toContain('"max-concurrency":2'.replace(':', stats.includes('": ') ? ': ' : ':'));
    expect(limited).toContain('new rate limit set successfully');
    expect(called).toContain('42');
    expect(purged).toMatch(/2 messages/);
    expect(bindings).toContain('celery');
    expect(report).toContain('umbel');
    const sent = await app.send('py.add', [1, 2], { queue: 'there' });
    await sent.get({ timeout: 20 });
    expect(await cli('result', sent.id)).toMatch(/^3$/m);
  });

  test("a worker of ours that starts learns what Python's workers know", { timeout: 60_000 }, async () => {
    const { app } = between();
    await using control = new Control(app);
    const id = crypto.randomUUID();
    // To that one alone: it is in no store.
    await control.ask('revoke', { task_id: [id] }, { destination: [there], timeout: 20 });
    const log = new MemoryLog();
    await using late = new Worker(app, { name: 'late@here', queues: ['late'], logger: log });
    await late.start();
    const inspect = control.inspect({ destination: ['late@here'], timeout: 20 });
    await expect
      .poll(async () => (await inspect.revoked()).replies.get('late@here'), { timeout: 20_000 })
      .toContain(id);
    const result = await app.send('ts.add', [1, 1], { queue: 'late', taskId: id });
    await expect(result.get({ timeout: 20 })).rejects.toThrow(/revoked/);
    await expect
      .poll(() => log.texts('info').join(), { timeout: 10_000 })
      .toMatch(/mingle: sync with \d nodes/);
  });

  test("Celery's own state of a cluster, which Flower shows, knows our worker and its tasks", {
    timeout: 60_000,
  }, async () => {
    const { app, node, python: settings } = between();
    await using monitor = new PythonProcess('the monitor', ['watch_state.py'], { settings });
    expect(await monitor.line(30_000)).toBe('ready');
    const known = async (): Promise<Known> => {
      monitor.tell('?');
      return JSON.parse(await monitor.line(20_000)) as Known; // the program's
    };
    await expect.poll(async () => (await known()).workers[node]?.alive, { timeout: 20_000 }).toBe(true);
    await using control = new Control(app);
    await control.enableEvents({ destination: [node], timeout: 20 });
    const [good, bad] = [
      await app.send('ts.add', [2, 3], { queue: 'ts' }),
      await app.send('ts.fail', [], { queue: 'ts' }),
    ];
    const states = async (): Promise<unknown[]> => {
      const { tasks } = await known();
      return [tasks[good.id]?.state, tasks[bad.id]?.state];
    };
    await expect.poll(states, { timeout: 20_000 }).toEqual(['SUCCESS', 'FAILURE']);
    const { tasks, workers, types } = await known();
    expect(workers[node]).toMatchObject({
      status_string: 'ONLINE',
      freq: expect.any(Number),
      active: expect.any(Number),
      processed: expect.any(Number),
      loadavg: [expect.any(Number), expect.any(Number), expect.any(Number)],
      sw_ident: 'js-umbel',
      pid: process.pid,
    });
    expect(tasks[good.id]).toMatchObject({
      name: 'ts.add',
      args: '(2, 3)',
      kwargs: '{}',
      result: '5',
      worker: node,
      root_id: good.id,
      retries: 0,
      runtime: expect.any(Number),
      sent: expect.any(Number),
      received: expect.any(Number),
      started: expect.any(Number),
      succeeded: expect.any(Number),
    });
    expect(tasks[bad.id]).toMatchObject({
      name: 'ts.fail',
      exception: "RangeError('no good')",
      worker: node,
    });
    expect(types).toEqual(expect.arrayContaining(['ts.add', 'ts.fail']));
  });

  watchingCases(between, there, 'there');
}

interface Known {
  readonly tasks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly workers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly types: readonly string[];
}
