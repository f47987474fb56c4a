// Celery's own commands against our workers, and ours against Python's, on one broker.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { App } from '../../src/index.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { type Between, commandCases } from './command-cases.ts';
import { eventCases } from './event-cases.ts';
import type { Servers } from './harness/pair.ts';
import { PythonProcess } from './harness/python-process.ts';
import { PythonWorker } from './harness/python-worker.ts';

const node = 'typescript@here';

/** What a command of Celery's prints with `--json`, by node. */
type Replies = Readonly<Record<string, unknown>>;

export function controlSuite(name: string, missing: string | undefined, start: () => Promise<Servers>): void {
  needs(describe, missing)(`remote control and events beside Python on ${name}`, () => {
    let servers: Servers;
    let app: App;
    let worker: Worker;
    let log: MemoryLog;
    let gate = deferred<void>();
    let commands: PythonProcess;
    let running: Promise<unknown> = Promise.resolve();

    beforeAll(async () => {
      servers = await start();
      app = new App('interop', { ...servers.typescript, taskSendSentEvent: true });
      app.task('ts.add', (x: number, y: number) => x + y);
      app.task('ts.fail', () => {
        throw new RangeError('no good');
      });
      app.task('ts.wait', async (_: string) => gate.promise);
      app.task('ts.held', { bind: true, trackStarted: true }, async (task) => {
        await new Promise((_, reject) => {
          task.signal.addEventListener('abort', () => reject(task.signal.reason), { once: true });
        });
      });
      log = new MemoryLog();
      worker = new Worker(app, { name: node, queues: ['ts'], concurrency: 4, logger: log });
      await worker.start();
      commands = new PythonProcess('the commands of Celery', ['run_commands.py'], {
        settings: servers.python,
      });
      await commands.line(60_000);
    }, 120_000);

    afterAll(async () => {
      gate.resolve();
      await commands?.[Symbol.asyncDispose]();
      await worker?.stop({ cold: true });
      await app?.close();
      await servers?.[Symbol.asyncDispose]();
    });

    /** Runs `celery …` and gives what it printed; one after another. */
    function celery(...args: readonly string[]): Promise<string> {
      const printed = running.then(async () => {
        commands.tell(JSON.stringify(args));
        return String(JSON.parse(await commands.line(60_000)));
      });
      running = printed.catch(() => undefined);
      return printed;
    }

    /** One answer of our worker to a command of Celery's. */
    async function asked(...args: readonly string[]): Promise<unknown> {
      const [kind = '', ...rest] = args;
      const printed = await celery(kind, ...rest, '-j', '-t', '20', '-d', node);
      const line = printed.split('\n').find((each) => /^[[{]/.test(each));
      if (line === undefined) throw new Error(`no JSON: ${printed}`);
      const read: unknown = JSON.parse(line);
      // `control` prints a list of maps, `inspect` a map.
      const replies = (Array.isArray(read) ? Object.assign({}, ...read) : read) as Replies;
      return replies[node];
    }

    test("Python's status shows our worker", async () => {
      const printed = await celery('status', '-t', '2');
      expect(printed).toContain(`${node}: OK`);
      expect(printed).toContain('1 node online');
    });

    test("Python's inspect is answered in Celery's form", { timeout: 120_000 }, async () => {
      gate = deferred<void>();
      const held = await app.send('ts.wait', ['a'], { queue: 'ts' });
      await expect.poll(() => worker.concurrency).toBe(4);
      expect(await asked('inspect', 'ping')).toEqual({ ok: 'pong' });
      expect(await asked('inspect', 'active')).toMatchObject([
        {
          id: held.id,
          name: 'ts.wait',
          args: ['a'],
          hostname: node,
          delivery_info: { routing_key: 'ts', redelivered: false },
        },
      ]);
      expect(await asked('inspect', 'query_task', held.id)).toMatchObject({
        [held.id]: ['active', { id: held.id }],
      });
      expect(await asked('inspect', 'stats')).toMatchObject({
        total: { 'ts.wait': 1 },
        pool: { 'max-concurrency': 4 },
        rusage: expect.any(Object),
      });
      expect(await asked('inspect', 'registered')).toEqual(['ts.add', 'ts.fail', 'ts.held', 'ts.wait']);
      expect(await asked('inspect', 'active_queues')).toMatchObject([{ name: 'ts', routing_key: 'ts' }]);
      expect(await asked('inspect', 'reserved')).toEqual([]);
      expect(await asked('inspect', 'scheduled')).toEqual([]);
      expect(await asked('inspect', 'clock')).toEqual({ clock: expect.any(Number) });
      expect(await asked('inspect', 'conf')).toMatchObject({ broker_url: expect.any(String) });
      expect(await asked('inspect', 'report')).toEqual({ ok: expect.stringContaining('umbel') });
      gate.resolve();
      await held.get({ timeout: 10 });
    });

    test("Python's control changes our worker", { timeout: 120_000 }, async () => {
      expect(await asked('control', 'rate_limit', 'ts.add', '100/s')).toEqual({
        ok: 'new rate limit set successfully',
      });
      expect(await asked('control', 'rate_limit', 'ts.add', '0')).toEqual({
        ok: 'rate limit disabled successfully',
      });
      expect(await asked('control', 'time_limit', 'ts.add', '30', '60')).toEqual({
        ok: 'time limits set successfully',
      });
      expect(await asked('control', 'pool_grow', '2')).toEqual({ ok: 'pool will grow' });
      expect(worker.concurrency).toBe(6);
      expect(await asked('control', 'pool_shrink', '2')).toEqual({ ok: 'pool will shrink' });
      expect(await asked('control', 'add_consumer', 'extra')).toEqual({ ok: 'add consumer extra' });
      const sum = await app.send<number>('ts.add', [2, 3], { queue: 'extra' });
      expect(await sum.get({ timeout: 10 })).toBe(5);
      expect(await asked('control', 'cancel_consumer', 'extra')).toEqual({
        ok: 'no longer consuming from extra',
      });
      expect(await asked('control', 'autoscale', '3', '1')).toEqual({
        error: "ValueError('Autoscale not enabled')",
      });
    });

    test('a task that Python revokes is not run here', async () => {
      const id = crypto.randomUUID();
      expect(await asked('control', 'revoke', id)).toEqual({ ok: `tasks {'${id}'} flagged as revoked` });
      const result = await app.send('ts.add', [1, 1], { queue: 'ts', taskId: id });
      await expect(result.get({ timeout: 10 })).rejects.toThrow(/revoked/);
    });

    test("Python's workers meet ours at their start, and neither complains", {
      timeout: 60_000,
    }, async () => {
      await new Control(app).revoke('of-no-one', { timeout: 0.1 });
      const args = [
        '-m',
        'celery',
        '-A',
        'interop_app',
        'worker',
        '-P',
        'solo',
        '-Q',
        'py',
        '-n',
        'mingler@%h',
      ];
      await using python = new PythonProcess('the Python worker', [...args, '-l', 'DEBUG'], {
        settings: servers.python,
      });
      while ((await python.line(30_000)) !== 'ready');
      await expect.poll(() => python.log, { timeout: 10_000 }).toContain('mingle: sync with 1 nodes');
      await expect.poll(() => python.log, { timeout: 10_000 }).toContain('mingle: sync complete');
      await expect.poll(() => python.log, { timeout: 15_000 }).toContain(`${node} joined the party`);
      // An election among them: Celery's worker wins, and does what it is about.
      await using second = new Worker(app, { name: 'second@here', queues: ['second'] });
      await second.start();
      await expect.poll(() => python.log, { timeout: 15_000 }).toContain('second@here joined the party');
      const id = crypto.randomUUID();
      const action = { task: 'py.add', args: [20, 3], kwargs: {}, options: { queue: 'py', task_id: id } };
      await new Control(app).tell('election', { id: 'who', topic: 'task', action });
      expect(await app.result(id).get({ timeout: 20 })).toBe(23);
      expect(python.log).toContain("I won the election 'who'");
      expect(python.log).not.toMatch(/Traceback|ERROR/);
      expect(log.texts('error')).toEqual([]);
      await python.end('SIGTERM');
    });

    test("our commands are answered by Python's workers", { timeout: 60_000 }, async () => {
      await using python = await PythonWorker.start({
        settings: servers.python,
        queues: ['py'],
        name: 'python@here',
        pool: 'threads',
        concurrency: 2,
      });
      await using control = new Control(app);
      const whom = { destination: ['python@here'], timeout: 5 };
      const ask = async (method: string, args: Record<string, unknown> = {}): Promise<unknown> =>
        (await control.ask(method, args, whom)).replies.get('python@here');
      const both = await control.ping({ timeout: 2 });
      expect([...both.replies.keys()].sort()).toEqual(['python@here', node]);
      expect(both.silent).toEqual([]);
      expect(await ask('stats')).toMatchObject({ pool: { 'max-concurrency': 2 } });
      expect(await ask('registered')).toEqual(expect.arrayContaining(['py.add']));
      expect(await ask('active_queues')).toMatchObject([{ name: 'py' }]);
      expect(await ask('rate_limit', { task_name: 'py.add', rate_limit: '50/s' })).toEqual({
        ok: 'new rate limit set successfully',
      });
      expect(await ask('add_consumer', { queue: 'more' })).toEqual({ ok: 'add consumer more' });
      expect(await ask('enable_events')).toEqual({ ok: 'task events enabled' });
      const id = crypto.randomUUID();
      await control.revoke(id, whom);
      const revoked = (await control.inspect(whom).revoked()).replies.get('python@here');
      expect(revoked).toContain(id);
      const result = await app.send('py.add', [1, 1], { queue: 'py', taskId: id });
      await expect(result.get({ timeout: 10 })).rejects.toThrow(/revoked/);
      expect((await ask('nosuch')) as object).toHaveProperty('error');
      await control.shutdown({ destination: ['python@here'] });
      await python.process.exited;
      expect((await control.ping({ timeout: 0.5 })).replies.has(node)).toBe(true);
    });

    const between = (): Between => ({
      app,
      worker,
      log,
      node,
      python: servers.python,
      urls: { broker: String(servers.typescript.broker), backend: String(servers.typescript.backend) },
      celery,
      asked,
    });
    eventCases(between);
    commandCases(between);
  });
}
