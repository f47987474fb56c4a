// A worker of each language: what they tell each other, and our commands against Python's.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { Control, type ControlOptions, type Inspect } from '../../src/control/control.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import type { WireEvent } from '../../src/protocol/event.ts';
import { Worker } from '../../src/worker/worker.ts';
import { umbel } from '../cli/harness.ts';
import { askedUntil } from '../control/asking.ts';
import { patience, until } from '../until.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import type { Between } from './command-cases.ts';
import { PythonWorker } from './harness/python-worker.ts';
import { watchingCases } from './watching-cases.ts';

/** Python's worker; its queue is `there`. */
const there = 'python@there';

/**
 * What Python's worker answers. It is asked again when it does not: nobody keeps a request for it, and Celery's mailbox begins anew, empty, when
 * it fails at a message.
 */
async function answer<T>(
  ask: (whom: ControlOptions) => Promise<{ readonly replies: ReadonlyMap<string, T> }>,
): Promise<T | undefined> {
  const { replies } = await askedUntil(
    (timeout) => ask({ destination: [there], timeout }),
    (answers) => answers.replies.has(there),
    5,
  );
  return replies.get(there);
}

export function besideCases(between: () => Between): void {
  let python: PythonWorker;
  beforeAll(async () => {
    const { app, node, python: settings } = between();
    await using control = new Control(app);
    await control.revoke('of-no-one', { destination: [node], ...patience });
    // Celery waits a second for the answers of others.
    await until(async () => {
      await python?.[Symbol.asyncDispose]();
      python = await PythonWorker.start({
        settings: { ...settings, worker_pool_restarts: true },
        queues: ['there'],
        name: there,
        // With children that can be ended.
        pool: 'prefork',
        concurrency: 2,
        isSociable: true,
      });
      return !python.log.includes('mingle: all alone');
    }, 'a worker of Python that has heard of ours');
    // On Redis it listens a moment after it has said that it is ready.
    await askedUntil(
      (timeout) => control.ping({ destination: [there], timeout }),
      ({ replies }) => replies.has(there),
    );
  });
  afterAll(() => python?.[Symbol.asyncDispose]());
  beforeEach(() => {
    const before = python.process.written;
    onTestFailed(() => console.log(`Python's worker says of it:\n${python.process.since(before)}`));
  });

  test("Python's workers meet ours at their start, and neither complains", async () => {
    const { app, node, log } = between();
    const errors = log.texts('error').length;
    await until(() => python.log.includes('mingle: sync with 1 nodes'));
    await until(() => python.log.includes('mingle: sync complete'));
    await until(() => python.log.includes(`${node} joined the party`));
    // An election among them: Celery's worker wins, and does what it is about.
    await using second = new Worker(app, { name: 'second@here', queues: ['second'] });
    await second.start();
    await until(() => python.log.includes('second@here joined the party'));
    const id = crypto.randomUUID();
    const options = { queue: 'there', task_id: id };
    const action = { task: 'py.add', args: [20, 3], kwargs: {}, options };
    await using control = new Control(app);
    await control.tell('election', { id: 'who', topic: 'task', action });
    expect(await app.result(id).get(patience)).toBe(23);
    expect(python.log).toContain("I won the election 'who'");
    expect(python.log).not.toMatch(/Traceback|ERROR/);
    expect(log.texts('error').slice(errors)).toEqual([]);
  });

  test("what happens in both is heard here, in Celery's form", async () => {
    const { app, node } = between();
    const heard: WireEvent[] = [];
    const state = new ClusterState();
    await using _hearing = await captureEvents(app, (event) => {
      heard.push(event);
      state.add(event);
    });
    await using control = new Control(app);
    await control.enableEvents({ destination: [node], ...patience });
    await answer((whom) => control.enableEvents(whom));
    const sum = await app.send('py.add', [2, 3], { queue: 'there' });
    await sum.get(patience);
    const ours = await app.send('ts.add', [2, 3], { queue: 'ts' });
    await ours.get(patience);
    await expect.poll(() => state.task(sum.id)?.state).toBe('SUCCESS');
    await expect.poll(() => state.task(ours.id)?.state).toBe('SUCCESS');
    expect(state.task(sum.id)).toMatchObject({ name: 'py.add', worker: there, result: '5' });
    expect(state.task(ours.id)).toMatchObject({
      name: 'ts.add',
      worker: node,
      result: '5',
      args: '(2, 3)',
    });
    await expect.poll(() => state.aliveWorkers().map(({ hostname }) => hostname)).toEqual([there, node]);
    // The same fields, of both.
    const fieldsOf = (id: string, type: string): string[] =>
      Object.keys(heard.find((event) => event.uuid === id && event.type === type) ?? {}).sort();
    for (const type of ['task-received', 'task-started', 'task-succeeded']) {
      const theirs = fieldsOf(sum.id, type);
      expect(theirs.length).toBeGreaterThan(5);
      const missingHere = theirs.filter((field) => !fieldsOf(ours.id, type).includes(field));
      expect(missingHere.filter((field) => field !== 'local_received')).toEqual([]);
    }
    await control.disableEvents({ destination: [node], ...patience });
    await answer((whom) => control.disableEvents(whom));
  });

  test("every question of ours is answered by Python's worker", async () => {
    const { app, urls } = between();
    await using control = new Control(app);
    const of = <T>(
      ask: (inspect: Inspect) => Promise<{ readonly replies: ReadonlyMap<string, T> }>,
    ): Promise<T | undefined> => answer((whom) => ask(control.inspect(whom)));
    const long = await app.send('py.sleep', [600], { queue: 'there' });
    await expect
      .poll(async () => (await of((inspect) => inspect.active()))?.map(({ id }) => id))
      .toEqual([long.id]);
    expect(await of((inspect) => inspect.active())).toMatchObject([
      { id: long.id, name: 'py.sleep', args: [600] },
    ]);
    expect(await of((inspect) => inspect.queryTask(long.id))).toMatchObject({
      [long.id]: ['active', { id: long.id }],
    });
    expect(await of((inspect) => inspect.reserved())).toEqual([]);
    // On RabbitMQ it waits in the broker.
    const later = await app.send('py.add', [1, 1], { queue: 'there', countdown: 3600 });
    const held = urls.broker.startsWith('amqp') ? [] : [later.id];
    await expect
      .poll(async () => (await of((inspect) => inspect.scheduled()))?.map(({ request }) => request.id))
      .toEqual(held);
    expect(await of((inspect) => inspect.registered())).toContain('py.add');
    expect(await of((inspect) => inspect.activeQueues())).toMatchObject([{ name: 'there' }]);
    expect(await of((inspect) => inspect.stats())).toMatchObject({ pool: { 'max-concurrency': 2 } });
    expect(await of((inspect) => inspect.conf())).toMatchObject({ result_backend: expect.any(String) });
    expect(await of((inspect) => inspect.report())).toMatchObject({ ok: expect.stringContaining('celery') });
    expect(await of((inspect) => inspect.clock())).toEqual({ clock: expect.any(Number) });
    await answer((whom) => control.terminate(long.id, whom));
    await expect(long.get(patience)).rejects.toThrow(/terminated|revoked/);
    expect((await of((inspect) => inspect.revoked())) ?? []).toContain(long.id);
    await answer((whom) => control.revoke(later.id, whom));
  });

  test("every command of ours is done by Python's worker", async () => {
    await using control = new Control(between().app);
    expect(await answer((whom) => control.timeLimit('py.add', { soft: 30, hard: 60 }, whom))).toEqual({
      ok: 'time limits set successfully',
    });
    expect(await answer((whom) => control.rateLimit('py.add', '50/s', whom))).toEqual({
      ok: 'new rate limit set successfully',
    });
    expect(await answer((whom) => control.poolGrow(1, whom))).toEqual({ ok: 'pool will grow' });
    expect(await answer((whom) => control.poolShrink(1, whom))).toEqual({ ok: 'pool will shrink' });
    expect(await answer((whom) => control.autoscale(3, 1, whom))).toEqual({
      error: expect.stringContaining('Autoscale not enabled'),
    });
    // Celery does these after it has answered, and forgets a cancellation that comes before the end of the addition.
    const queues = async (): Promise<string[] | undefined> =>
      (await answer((whom) => control.inspect(whom).activeQueues()))?.map(({ name }) => String(name));
    expect(await answer((whom) => control.addConsumer('extra', whom))).toEqual({ ok: 'add consumer extra' });
    await expect.poll(queues).toEqual(['there', 'extra']);
    expect(await answer((whom) => control.cancelConsumer('extra', whom))).toEqual({
      ok: 'no longer consuming from extra',
    });
    await expect.poll(queues).toEqual(['there']);
    await answer((whom) => control.disableEvents(whom));
    expect(await answer((whom) => control.enableEvents(whom))).toEqual({ ok: 'task events enabled' });
    expect(await answer((whom) => control.disableEvents(whom))).toEqual({ ok: 'task events disabled' });
    expect(await answer((whom) => control.ask('heartbeat', {}, whom))).toBe(null);
    expect(await answer((whom) => control.ask('pool_restart', {}, whom))).toEqual({ ok: 'reload started' });
    // It knows no pauses, and says so in words.
    const said: unknown[] = [];
    const asked: ControlOptions = { onReply: (_, reply) => said.push(reply) };
    const ignored = { error: expect.stringContaining('takes messages of its queues all the same') };
    expect(await answer((whom) => control.pause({ queue: 'aside' }, { ...asked, ...whom }))).toEqual(ignored);
    expect(await answer((whom) => control.resume({ queue: 'aside' }, { ...asked, ...whom }))).toEqual(
      ignored,
    );
    expect(said).toEqual(said.map(() => ignored));
    expect(said.length).toBeGreaterThan(1);
  });

  test("our command line works with Python's worker, without an application", async () => {
    const { urls, app } = between();
    const at = ['-b', urls.broker, '--result-backend', urls.backend];
    const cli = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr, code } = await umbel('.', [...at, ...args]);
      if (code !== 0) throw new Error(`${args.join(' ')}: ${code}: ${stderr}`);
      return stdout;
    };
    for (let n = 0; n < 2; n++) await app.send('py.add', [n, n], { queue: 'idle' });
    const answered = async (...args: readonly string[]): Promise<string> => {
      const ask = (timeout: number) => umbel('.', [...at, ...args, '-t', String(timeout)]);
      const { stdout } = await askedUntil(ask, ({ code, stdout }) => code === 0 && stdout.includes(there), 2);
      return stdout;
    };
    await answered('status');
    const stats = await answered('inspect', 'stats', '-d', there, '--json');
    const limited = await answered('control', 'rate_limit', 'py.add', '100/s', '-d', there);
    const [called, purged, bindings, report] = await Promise.all([
      cli('call', 'py.add', '-a', '[20, 22]', '-Q', 'there', '--wait', `${patience.timeout}s`),
      cli('purge', '-f', '-Q', 'idle'),
      cli('list', 'bindings'),
      cli('report'),
    ]);
    expect(stats).toContain('"max-concurrency":2'.replace(':', stats.includes('": ') ? ': ' : ':'));
    expect(limited).toContain('new rate limit set successfully');
    expect(called).toContain('42');
    expect(purged).toMatch(/2 messages/);
    expect(bindings).toContain('celery');
    expect(report).toContain('umbel');
    const sent = await app.send('py.add', [1, 2], { queue: 'there' });
    await sent.get(patience);
    expect(await cli('result', sent.id)).toMatch(/^3$/m);
  });

  test("a worker of ours that starts learns what Python's workers know", async () => {
    const { app } = between();
    await using control = new Control(app);
    const id = crypto.randomUUID();
    // To that one alone: it is in no store.
    await answer((whom) => control.ask('revoke', { task_id: [id] }, whom));
    let tries = 0;
    const log = new MemoryLog();
    const start = async (): Promise<Worker> => {
      const worker = new Worker(app, { name: `late-${tries++}@here`, queues: ['late'], logger: log });
      await worker.start();
      return worker;
    };
    let late = await start();
    const knows = async (): Promise<boolean> => {
      const inspect = control.inspect({ destination: [late.name], ...patience });
      return (await inspect.revoked()).replies.get(late.name)?.includes(id) ?? false;
    };
    await until(async () => {
      for (let n = 0; n < 20 && !(await knows()); n++) await sleep(100);
      if (await knows()) return true;
      // It waits a second for the answers of others: who did not hear them in time starts again.
      await late.stop();
      late = await start();
      return false;
    }, 'a worker that has heard of what Python knows');
    const result = await app.send('ts.add', [1, 1], { queue: 'late', taskId: id });
    await expect(result.get(patience)).rejects.toThrow(/revoked/);
    await until(() => /mingle: sync with \d nodes/.test(log.texts('info').join()));
    await late.stop();
  });

  watchingCases(between, there, 'there');

  test("our commands are answered by Python's workers, until they shut them down", async () => {
    const { app, node } = between();
    await using control = new Control(app);
    const ask = (method: string, args: Record<string, unknown> = {}): Promise<unknown> =>
      answer((whom) => control.ask(method, args, whom));
    const both = await askedUntil(
      (timeout) => control.ping({ timeout }),
      ({ replies }) => replies.size >= 2,
    );
    expect([...both.replies.keys()].sort()).toEqual([there, node]);
    expect(both.silent).toEqual([]);
    expect(await ask('stats')).toMatchObject({ pool: { 'max-concurrency': 2 } });
    expect(await ask('registered')).toEqual(expect.arrayContaining(['py.echo', 'py.add [rate_limit=100/s]']));
    expect(await ask('active_queues')).toMatchObject([{ name: 'there' }]);
    expect(await ask('rate_limit', { task_name: 'py.add', rate_limit: '50/s' })).toEqual({
      ok: 'new rate limit set successfully',
    });
    expect(await ask('add_consumer', { queue: 'more' })).toEqual({ ok: 'add consumer more' });
    await ask('disable_events');
    expect(await ask('enable_events')).toEqual({ ok: 'task events enabled' });
    const id = crypto.randomUUID();
    await answer((whom) => control.revoke(id, whom));
    const revoked = await answer((whom) => control.inspect(whom).revoked());
    expect(revoked).toContain(id);
    const result = await app.send('py.add', [1, 1], { queue: 'there', taskId: id });
    await expect(result.get(patience)).rejects.toThrow(/revoked/);
    expect((await ask('nosuch')) as object).toHaveProperty('error');
    await control.shutdown({ destination: [there] });
    await python.process.exited;
    const left = await askedUntil(
      (timeout) => control.ping({ timeout }),
      ({ replies }) => replies.has(node),
    );
    expect([...left.replies.keys()]).toEqual([node]);
  });
}
