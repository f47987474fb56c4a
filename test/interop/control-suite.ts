// Celery's own commands against our workers, and ours against Python's, on one broker.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { App } from '../../src/index.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { Worker } from '../../src/worker/worker.ts';
import { askedUntil } from '../control/asking.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { patience, until } from '../until.ts';
import { put } from '../worker/bench.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { someMessage } from '../worker/some-message.ts';
import { besideCases } from './beside-cases.ts';
import { type Between, commandCases } from './command-cases.ts';
import { eventCases, type Known } from './event-cases.ts';
import type { Servers } from './harness/pair.ts';
import { PythonProcess } from './harness/python-process.ts';

const node = 'typescript@here';

/** What a command of Celery's prints with `--json`, by node. */
type Replies = Readonly<Record<string, unknown>>;

/** `whole`: also events, and a worker of Python's beside ours. */
export function controlSuite(
  name: string,
  missing: string | undefined,
  start: () => Promise<Servers>,
  whole = true,
): void {
  needs(describe, missing ?? noPython)(`remote control and events beside Python on ${name}`, () => {
    let servers: Servers;
    let app: App;
    let worker: Worker;
    let log: MemoryLog;
    let gate = deferred<void>();
    const begun = new Set<string>();
    let commands: PythonProcess;
    let running: Promise<unknown> = Promise.resolve();

    beforeAll(async () => {
      servers = await start();
      app = new App('interop', { ...servers.typescript, taskSendSentEvent: true });
      app.task('ts.add', (x: number, y: number) => x + y);
      app.task('ts.fail', { bind: true }, async (task) => {
        // Events of types that Celery does not know.
        task.log('begun');
        await task.updateState('PROGRESS', { done: 1 });
        throw new RangeError('no good');
      });
      app.task('ts.wait', { bind: true }, async (task, _: string) => {
        begun.add(task.request.id);
        await gate.promise;
      });
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
      await commands.line();
    });

    afterAll(async () => {
      gate.resolve();
      await commands?.[Symbol.asyncDispose]();
      await worker?.stop({ cold: true });
      await app?.close();
    });

    /** Runs `celery …` and gives what it printed; one after another. */
    function celery(...args: readonly string[]): Promise<string> {
      const printed = running.then(async () => {
        commands.tell(JSON.stringify(args));
        return String(JSON.parse(await commands.line()));
      });
      running = printed.catch(() => undefined);
      return printed;
    }

    /** One answer of our worker to a command of Celery's. */
    async function asked(...args: readonly string[]): Promise<unknown> {
      const [kind = '', ...rest] = args;
      const printed = await celery(kind, ...rest, '-j', '-t', String(patience.timeout), '-d', node);
      const line = printed.split('\n').find((each) => /^[[{]/.test(each));
      if (line === undefined) throw new Error(`no JSON: ${printed}`);
      const read: unknown = JSON.parse(line);
      // `control` prints a list of maps, `inspect` a map.
      const replies = (Array.isArray(read) ? Object.assign({}, ...read) : read) as Replies;
      return replies[node];
    }

    test("Python's status shows our worker", async () => {
      const status = (timeout: number): Promise<string> => celery('status', '-t', String(timeout));
      const printed = await askedUntil(status, (each) => each.includes(`${node}: OK`));
      expect(printed).toContain('1 node online');
    });

    test("Python's inspect is answered in Celery's form", async () => {
      gate = deferred<void>();
      const held = await app.send('ts.wait', ['a'], { queue: 'ts' });
      await until(() => begun.has(held.id));
      expect(worker.concurrency).toBe(4);
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
      await held.get(patience);
    });

    test("Python's inspect and its monitors see a task that our worker has deferred until its time", async () => {
      const settings = servers.python;
      await using monitor = new PythonProcess('the monitor', ['watch_state.py'], { settings });
      expect(await monitor.line()).toBe('ready');
      const known = async (): Promise<Known> => {
        monitor.tell('?');
        return JSON.parse(await monitor.line()) as Known; // the program's
      };
      await until(async () => (await known()).workers[node]?.alive); // from then on it hears
      expect(await asked('control', 'enable_events')).toMatchObject({ ok: expect.any(String) });
      const eta = new Date(Date.now() + 3_600_000);
      // As Celery 5.2 sends it on every broker: straight to the queue.
      const later = someMessage({ task: 'ts.add', args: [2, 3], eta, id: crypto.randomUUID() });
      await put(app, later, 'ts');
      const shown = async (): Promise<unknown> => asked('inspect', 'scheduled');
      await until(async () => Array.isArray(await shown()) && JSON.stringify(await shown()) !== '[]');
      expect(await shown()).toEqual([
        {
          eta: eta.toISOString().replace('Z', '000+00:00'),
          priority: 0,
          request: expect.objectContaining({ id: later.id, name: 'ts.add', args: [2, 3], time_start: null }),
        },
      ]);
      await expect.poll(async () => (await known()).tasks[later.id]?.state).toBe('RECEIVED');
      expect(await asked('control', 'revoke', later.id)).toMatchObject({ ok: expect.any(String) });
      expect(await shown()).toEqual([]);
      expect(await asked('control', 'disable_events')).toMatchObject({ ok: expect.any(String) });
    });

    test("Python's control changes our worker", async () => {
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
      expect(await sum.get(patience)).toBe(5);
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
      await expect(result.get(patience)).rejects.toThrow(/revoked/);
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
    describe('alone', () => {
      commandCases(between);
      if (whole) eventCases(between);
    });
    if (whole) describe("beside a worker of Python's", () => besideCases(between));
  });
}
