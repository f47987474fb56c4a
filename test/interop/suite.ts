// Every case of the two languages together, on whatever servers.
import { afterAll, beforeAll, beforeEach, describe, onTestFailed } from 'vitest';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { broadcastCases } from './cases/broadcasts.ts';
import { callCases } from './cases/calls.ts';
import { errorCases } from './cases/errors.ts';
import { retryCases } from './cases/retries.ts';
import { stateCases } from './cases/states.ts';
import { timeCases } from './cases/times.ts';
import { valueCases } from './cases/values.ts';
import { Pair, type Servers } from './harness/pair.ts';

/** `missing`: why the servers cannot be had here. */
export function interopSuite(
  title: string,
  missing: string | undefined,
  start: () => Promise<Servers>,
): void {
  needs(describe, missing ?? noPython)(`Python and TypeScript on ${title}`, () => {
    let pair: Pair | undefined;
    const running = (): Pair => {
      if (pair === undefined) throw new Error('the servers have not started');
      return pair;
    };
    beforeAll(async () => {
      pair = await Pair.start(await start());
    });
    afterAll(async () => {
      await pair?.[Symbol.asyncDispose]();
    });

    beforeEach(() => {
      const { pythonWorker } = running();
      const before = pythonWorker.process.written;
      onTestFailed(() =>
        console.log(`the Python worker's log of it:\n${pythonWorker.process.since(before)}`),
      );
    });

    describe('values', () => valueCases(running));
    describe('errors', () => errorCases(running));
    describe('retries', () => retryCases(running));
    describe('times', () => timeCases(running));
    describe('calls', () => callCases(running));
    describe('states', () => stateCases(running));
    describe('broadcasts', () => broadcastCases(running));
  });
}
