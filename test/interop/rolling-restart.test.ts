// The dashboard's rolling restart of workers of both languages, as processes that a supervisor starts again, on Redis.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RestartStatus } from '../../src/dashboard/server/pages/rolling-restart.ts';
import { App } from '../../src/index.ts';
import { newDashboard } from '../dashboard/bench.ts';
import { Program } from '../e2e/harness/program.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { inLongRun } from '../run/scale.ts';
import { noRedis } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newFolder } from '../worker/bench.ts';
import { PythonWorker } from './harness/python-worker.ts';
import { onRedis } from './harness/servers.ts';

interface Supervised {
  readonly pids: readonly number[];
}

/** Starts the program, and, unless it is for once, again whenever it has ended, as systemd does. Ends with the test. */
async function supervise(
  start: () => Promise<{ readonly pid: number; readonly exited: Promise<unknown>; end(): Promise<unknown> }>,
  { once = false } = {},
): Promise<Supervised> {
  const pids: number[] = [];
  let isOver = once;
  let running = await start();
  pids.push(running.pid);
  const following = (async () => {
    for (;;) {
      await running.exited;
      if (isOver) return;
      running = await start();
      pids.push(running.pid);
    }
  })();
  onTestFinished(async () => {
    isOver = true;
    await running.end();
    await following;
  });
  return { pids };
}

needs(describe, noRedis ?? noPython)(
  'the rolling restart on Redis, of two TypeScript workers and a Python one',
  () => {
    async function fleet({ pythonReturns = true } = {}) {
      const { typescript, python } = await onRedis('in another database');
      const historyStore = `sqlite://${join(await newFolder(), 'history.db')}`;
      const app = new App('interop', { ...typescript, historyStore });
      onTestFinished(() => app.close());
      const ours = (name: string): Promise<Supervised> =>
        supervise(async () => {
          const program = new Program('test/interop/programs/worker.ts', {
            INTEROP_SETTINGS: JSON.stringify(typescript),
            INTEROP_QUEUES: 'ts',
            INTEROP_NAME: name,
          });
          await program.line('ready');
          const { pid, exited } = program;
          return { pid, exited, end: () => program[Symbol.asyncDispose]() };
        });
      const [first, second, celery] = await Promise.all([
        ours('first@here'),
        ours('second@here'),
        supervise(
          async () => {
            const worker = await PythonWorker.start({
              settings: python,
              queues: ['py'],
              name: 'python@here',
              pool: 'prefork',
            });
            return {
              pid: worker.pid,
              exited: worker.process.exited,
              end: () => worker[Symbol.asyncDispose](),
            };
          },
          { once: !pythonReturns },
        ),
      ]);
      const ask = newDashboard(app);
      const restart = async (workers: readonly string[], seconds: number): Promise<void> => {
        const body = JSON.stringify({ workers, patience: seconds });
        const begin = () =>
          ask('/api/v1/restart', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        // A worker that is busy with its start does not answer yet.
        await until(async () => (await begin()).status === 202, 'the restart to begin');
      };
      const status = async (): Promise<RestartStatus> =>
        ((await ask('/api/v1/restart')).body as { restart: RestartStatus }).restart;
      const ended = async (): Promise<RestartStatus> => {
        await until(async () => (await status()).state !== 'running', 'the end of the restart');
        return status();
      };
      return { app, first, second, celery, restart, status, ended };
    }

    test('each is told when the one before is back, and the Python worker ends its task before', async () => {
      const { app, first, second, celery, restart, status, ended } = await fleet();
      const gate = join(await newFolder(), 'gate');
      const held = await app.send('py.wait', [gate], { queue: 'py' });
      await until(async () => (await held.state()) === 'STARTED', 'the task to run');
      await restart(['first@here', 'python@here', 'second@here'], patience.timeout);
      await until(
        async () => (await status()).lines[1]?.state === 'away',
        'the Python worker to end its task',
      );
      expect([celery.pids.length, await held.state()]).toEqual([1, 'STARTED']);
      writeFileSync(gate, '');
      const { state, problem, lines } = await ended();
      expect({ state, problem }).toEqual({ state: 'done', problem: null });
      expect(lines.map((line) => line.state)).toEqual(['back', 'back', 'back']);
      for (const [n, line] of lines.entries())
        if (n > 0) expect(line.askedAt).toBeGreaterThanOrEqual(lines[n - 1]?.backAt ?? Number.NaN);
      for (const each of [first, second, celery]) expect(new Set(each.pids).size).toBe(2);
      expect(await held.get(patience)).toBe('done');
      expect(await (await app.send('py.add', [2, 3], { queue: 'py' })).get(patience)).toBe(5);
    });

    needs(test, inLongRun)(
      'a Python worker that nobody starts again stops it, and the sentence says that it may still end its tasks',
      async () => {
        const { second, celery, restart, ended } = await fleet({ pythonReturns: false });
        await restart(['first@here', 'python@here', 'second@here'], 8);
        const { state, problem, lines } = await ended();
        expect(state).toBe('stopped');
        expect(problem).toContain('python@here did not come back within 8 s. A worker of Python');
        expect(problem).toContain('The others were not touched.');
        expect(lines.map((line) => line.state)).toEqual(['back', 'failed', 'waiting']);
        expect([second.pids.length, celery.pids.length]).toEqual([1, 1]);
      },
    );
  },
);
