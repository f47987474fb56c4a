// Workflows of both languages, on whatever servers.
import { afterAll, beforeAll, beforeEach, describe, onTestFailed } from 'vitest';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { workflowCases } from './cases/workflows.ts';
import { Pair, type Servers } from './harness/pair.ts';

/** `missing`: why the servers cannot be had here. */
export function workflowSuite(
  title: string,
  missing: string | undefined,
  start: () => Promise<Servers>,
): void {
  needs(describe, missing ?? noPython)(`workflows of Python and TypeScript on ${title}`, () => {
    let pair: Pair | undefined;
    let defaults: Worker | undefined;
    const running = (): Pair => {
      if (pair === undefined) throw new Error('the servers have not started');
      return pair;
    };
    beforeAll(async () => {
      pair = await Pair.start(await start());
      // What belongs to no task of either half: celery.accumulate and its like.
      defaults = new Worker(pair.served, { queues: ['celery'], name: 'defaults@%h' });
      await defaults.start();
    }, 120_000);
    afterAll(async () => {
      await defaults?.stop({ cold: true });
      await pair?.[Symbol.asyncDispose]();
    });
    beforeEach(() => {
      const { pythonWorker } = running();
      const before = pythonWorker.process.written;
      onTestFailed(() =>
        console.log(`the Python worker's log of it:\n${pythonWorker.process.since(before)}`),
      );
    });
    workflowCases(running);
  });
}
