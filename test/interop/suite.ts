// Both languages on whatever servers, and cases of theirs.
import { afterAll, beforeAll, beforeEach, describe, onTestFailed } from 'vitest';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { broadcastCases } from './cases/broadcasts.ts';
import { callCases } from './cases/calls.ts';
import { errorCases } from './cases/errors.ts';
import { priorityCases } from './cases/priorities.ts';
import { retryCases } from './cases/retries.ts';
import { stateCases } from './cases/states.ts';
import { timeCases } from './cases/times.ts';
import { valueCases } from './cases/values.ts';
import { Pair, type Servers } from './harness/pair.ts';

/** `missing`: why the servers cannot be had here. */
export function pairSuite(
  title: string,
  missing: string | undefined,
  start: () => Promise<Servers>,
  cases: (pair: () => Pair) => void,
): void {
  needs(describe, missing ?? noPython)(title, () => {
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
    cases(running);
  });
}

/** Everything but workflows. */
export function interopCases(pair: () => Pair): void {
  describe('values', () => valueCases(pair));
  describe('errors', () => errorCases(pair));
  describe('retries', () => retryCases(pair));
  describe('times', () => timeCases(pair));
  describe('calls', () => callCases(pair));
  describe('priorities', () => priorityCases(pair));
  describe('states', () => stateCases(pair));
  describe('broadcasts', () => broadcastCases(pair));
}
