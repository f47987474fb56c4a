// The judges are judged: they find each planted bug of a tiny queue, whatever the seed (3 seeds, in the long run 10), and nothing wrong with
// an honest one.
import { describe, expect, it } from 'vitest';
import { scaled } from '../run/scale.ts';
import { check, count, guilty, type Limits } from './harness/checkers.ts';
import { parseLedger } from './harness/ledger.ts';
import { type Bug, simulate, simulatedSlots } from './harness/simulator.ts';

const limits: Limits = { slots: simulatedSlots, restartMs: 20_000, settleMs: 20_000 };
const seeds = Array.from({ length: scaled(3, 10) }, (_, index) => index + 1);

/** Each planted bug, and the checker that must find it (others may, too). */
const bugs: readonly [Bug, string][] = [
  ['acknowledges before it runs', 'lost'],
  ['drops one send in fifty', 'lost'],
  ['hands out a finished task again', 'finishedTwice'],
  ['forgets the tasks of a dead worker', 'stuck'],
  ['takes half a minute to notice a death', 'lateRestart'],
  ['runs a task that nobody sent', 'unexpected'],
  ['runs before the eta', 'early'],
  ['records the result of another task', 'falseResult'],
  ['records no result', 'falseResult'],
  ['hands one task to two workers', 'unexplained'],
  ['gives back the tasks of the living too', 'unexplained'],
  ['buries what it cannot finish at once', 'buried'],
  ['lets a late owner overwrite the result', 'unfenced'],
  ['leaves a stopped worker its tasks for ever', 'stuck'],
];

describe('the checkers', () => {
  it.each(seeds)('find nothing wrong with an honest queue (seed %i)', (seed) => {
    const { ledger, facts } = simulate(seed);
    expect(check(ledger, facts, limits)).toEqual(allEmpty);
    const counts = count(ledger);
    expect(counts).toMatchObject({ sent: 400, acknowledged: 400, ended: 400, faults: 10 });
    expect(counts.duplicated).toBeGreaterThan(0); // or the faults hit nobody, and nothing was proved
  });

  it.each(bugs)('a queue that %s is caught by `%s`, whatever the seed', (bug, checker) => {
    for (const seed of seeds) {
      const { ledger, facts } = simulate(seed, bug);
      expect(guilty(check(ledger, facts, limits)), `seed ${seed}`).toContain(checker);
    }
  });

  it('a fault that makes more tasks run again than its worker could hold is over the bound', () => {
    const { ledger, facts } = simulate(3);
    expect(guilty(check(ledger, facts, { ...limits, slots: 0 }))).toContain('overBound');
  });

  it('a repeat that the task asked for is no fault of the queue', () => {
    const facts = { at: 9000, results: new Map(), dead: new Set<string>(), waiting: new Set<string>() };
    const first = [
      { kind: 'invoke', id: 'a', at: 1 },
      { kind: 'ok', id: 'a', at: 2 },
      { kind: 'start', id: 'a', run: 'r1', pid: 7, at: 3, retries: 0 },
    ] as const;
    const again = { kind: 'start', id: 'a', run: 'r2', pid: 7, at: 5 } as const;
    expect(check([...first, { ...again, retries: 1 }], facts, limits).unexplained).toEqual([]);
    expect(check([...first, { ...again, retries: 0 }], facts, limits).unexplained).toEqual(['a']);
  });

  it('a line that a kill cut short is not read', () => {
    expect(parseLedger('{"kind":"ok","id":"a","at":1}\n{"kind":"ok","i')).toEqual([
      { kind: 'ok', id: 'a', at: 1 },
    ]);
  });
});

const allEmpty = {
  lost: [],
  unexpected: [],
  stuck: [],
  buried: [],
  finishedTwice: [],
  unexplained: [],
  overBound: [],
  lateRestart: [],
  early: [],
  falseResult: [],
  unfenced: [],
};
