import { describe, expect, it } from 'vitest';
import { BrokerUnavailable, WorkerShutdown } from '../../src/errors.ts';
import { type Deferred, deferred } from '../../src/lib/deferred.ts';
import { Worker } from '../../src/worker/worker.ts';
import { patience, until } from '../until.ts';
import {
  changed,
  newApp,
  recordOf,
  type StoreKind,
  sizeOf,
  startWorker,
  stores,
  tamper,
  turn,
} from './bench.ts';
import { FakeClock } from './fake-clock.ts';

/** An application with a task that runs until its gate is opened, or its signal aborted if it is told to listen. */
async function gated(kind: StoreKind) {
  const app = await newApp(kind);
  const gate: Deferred<string> = deferred();
  const reasons: unknown[] = [];
  const runs: string[] = [];
  const wait = app.task('wait', { bind: true }, (task, name: string) => {
    runs.push(name);
    const { signal } = task;
    signal.addEventListener('abort', () => reasons.push(signal.reason));
    return gate.promise;
  });
  return { app, gate, reasons, runs, wait };
}

describe.each(stores)('a worker on %s', (kind) => {
  describe('that is stopped', () => {
    it('finishes what runs, takes nothing new, and leaves nothing in limbo', async () => {
      const { app, gate, runs, wait } = await gated(kind);
      const { worker } = await startWorker(app, { concurrency: 2 });
      const results = await wait.applyMany([['a'], ['b'], ['c']]);
      await until(() => runs.length === 2);
      const stopped = worker.stop();
      await turn();
      gate.resolve('done');
      await stopped;
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
      expect(await Promise.all(results.map((result) => result.status()))).toEqual([
        'SUCCESS',
        'SUCCESS',
        'PENDING',
      ]);
      expect(runs).toEqual(['a', 'b']);
    });

    it('while it is idle is at rest at once', async () => {
      const { app } = await gated(kind);
      const { worker, log } = await startWorker(app);
      await worker.stop();
      expect(log.texts('info').at(-1)).toBe('celery@here stopped');
    });

    it('twice, stops once', async () => {
      const { app } = await gated(kind);
      const { worker } = await startWorker(app);
      await Promise.all([worker.stop(), worker.stop()]);
      await worker.stop();
    });

    it('before it was started, never starts', async () => {
      const { app } = await gated(kind);
      const worker = new Worker(app);
      await worker.stop();
      await expect(worker.start()).rejects.toMatchObject({ code: 'UMBEL_WORKER_STOPPED' });
    });

    it('while it starts, is at rest afterwards', async () => {
      const { app, wait, runs } = await gated(kind);
      await wait.delay('a');
      const worker = new Worker(app);
      const started = worker.start();
      await worker.stop({ cold: true });
      await started;
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
      expect(runs.length).toBeLessThanOrEqual(1);
    });
  });

  describe('that is stopped cold', () => {
    it('asks what runs to stop, and gives it back to the front of its queue', async () => {
      const { app, gate, runs, wait, reasons } = await gated(kind);
      const { worker, log } = await startWorker(app, { concurrency: 1 });
      const [first, second] = await wait.applyMany([['first'], ['second']]);
      await until(() => runs.length === 1);
      await worker.stop({ cold: true });
      expect(reasons).toEqual([expect.any(WorkerShutdown)]);
      expect(await sizeOf(app)).toEqual([2, 0, 0]);
      expect(log.texts('warn')).toContainEqual(expect.stringContaining('given back'));
      gate.resolve('done');
      const next = await startWorker(app, { concurrency: 1 });
      expect(await first?.get(patience)).toBe('done');
      expect(await second?.get(patience)).toBe('done');
      expect(runs).toEqual(['first', 'first', 'second']);
      expect(next.log.texts('error')).toEqual([]);
    });

    it('while it stops warm, does not wait for what runs any longer', async () => {
      const { app, runs, wait } = await gated(kind);
      const { worker } = await startWorker(app);
      await wait.delay('a');
      await until(() => runs.length === 1);
      const warm = worker.stop();
      await turn();
      await worker.stop({ cold: true });
      await warm;
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
    });

    it('when a warm stop takes longer than it may', async () => {
      const { app, runs, wait } = await gated(kind);
      const { worker } = await startWorker(app, { shutdownTimeout: '50ms' });
      await wait.delay('a');
      await until(() => runs.length === 1);
      await worker.stop();
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
    });

    it('softly, after the time that is left to what runs; what ends within it is done', async () => {
      const { app, gate, runs, wait } = await gated(kind);
      const told: string[] = [];
      app.signals.workerShuttingDown.connect(({ how }) => told.push(how));
      const { worker } = await startWorker(app, { softShutdownTimeout: '60ms', concurrency: 1 });
      await wait.delay('a');
      await until(() => runs.length === 1);
      await worker.stop({ soft: true });
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
      const { worker: other } = await startWorker(app, { softShutdownTimeout: 30 });
      await until(() => runs.length === 2);
      const stopped = other.stop({ soft: true });
      await turn();
      gate.resolve('done');
      await stopped;
      expect(await sizeOf(app)).toEqual([0, 0, 0]);
      expect(told).toEqual(['soft', 'soft']);
    });

    it('does not begin what it had claimed and not begun', async () => {
      const { app, runs, wait } = await gated(kind);
      const received = deferred<void>();
      const held = deferred<void>();
      app.signals.taskReceived.connect(() => {
        received.resolve();
        return held.promise;
      });
      const { worker } = await startWorker(app);
      await wait.delay('a');
      await received.promise;
      const stopped = worker.stop({ cold: true });
      await turn();
      held.resolve();
      await stopped;
      expect(runs).toEqual([]);
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
    });

    it('does not store what the given-back task still returns', async () => {
      const { app, runs, gate, wait } = await gated(kind);
      const { worker } = await startWorker(app);
      const result = await wait.delay('a');
      await until(() => runs.length === 1);
      await worker.stop({ cold: true });
      gate.resolve('late');
      await turn();
      expect((await recordOf(app, result.id))?.status).not.toBe('SUCCESS');
      expect(await sizeOf(app)).toEqual([1, 0, 0]);
    });

    it('tells the caller of a task that was acknowledged early that it is lost', async () => {
      const { app } = await gated(kind);
      let running = false;
      const once = app.task('once', { acksLate: false }, () => {
        running = true;
        return new Promise(() => undefined);
      });
      const { worker } = await startWorker(app);
      const result = await once.delay();
      await until(() => running);
      await worker.stop({ cold: true });
      await expect(result.get(patience)).rejects.toMatchObject({ remoteType: 'WorkerLostError' });
      expect(await sizeOf(app)).toEqual([0, 0, 0]);
    });
  });

  it('ends its stop though the store refuses everything, and the task is not lost', async () => {
    const { app, gate, runs, wait } = await gated(kind);
    const clock = new FakeClock();
    await tamper(app, (delivery) =>
      changed(delivery, {
        settle: async () => {
          throw new BrokerUnavailable('the disk is full');
        },
      }),
    );
    const { worker, log } = await startWorker(app, { clock });
    await wait.delay('a');
    await until(() => runs.length === 1);
    gate.resolve('done');
    let stopped = false;
    const stopping = worker.stop().then(() => {
      stopped = true;
    });
    await until(async () => {
      await clock.advance(1000);
      return stopped;
    });
    await stopping;
    expect(log.texts('error')).toContainEqual(expect.stringContaining('it will run again'));
    expect(await sizeOf(app)).toEqual([1, 0, 0]);
  });
});
