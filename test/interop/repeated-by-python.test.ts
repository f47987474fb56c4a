// The judge of what Python repeats, tried on ledgers with what it must allow and what it must not.
import { describe, expect, it } from 'vitest';
import { check, type Facts, guilty } from '../e2e/harness/checkers.ts';
import type { Entry } from '../e2e/harness/ledger.ts';
import { setApart } from './harness/repeated-by-python.ts';

const [ours, alsoOurs, python] = [1, 2, 3];
const sides = { typescript: new Set([ours, alsoOurs]), python: new Set([python]) };

/** A task that a worker runs to its end; its result is recorded 10 ms later. */
const run = (name: string, pid: number, at: number): Entry[] => [
  { kind: 'start', id: 'a', run: name, pid, at, retries: 0 },
  { kind: 'end', id: 'a', run: name, pid, at: at + 100 },
];
const sent: Entry[] = [
  { kind: 'invoke', id: 'a', at: 1 },
  { kind: 'ok', id: 'a', at: 2 },
];
const died = (pid: number, at: number, fault: 'kill' | 'term' = 'kill'): Entry => ({
  kind: 'fault',
  fault,
  pid,
  at,
  until: at + 5,
});
/** The record is of the run `first`, which began at 10. */
const facts: Facts = {
  at: 9000,
  results: new Map([['a', { status: 'SUCCESS', run: 'first', doneAt: 120 }]]),
  dead: new Set(),
  waiting: new Set(),
};

function judged(...ledger: Entry[]): { guilty: string[]; repeatedByPython: readonly string[] } {
  const all = [...sent, ...ledger];
  const found = check(all, facts, { slots: 8, restartMs: 20_000, settleMs: 20_000 });
  const { report, repeatedByPython } = setApart(found, all, facts, sides);
  return { guilty: guilty(report), repeatedByPython };
}

describe('a task that ran again after its result was recorded', () => {
  it('is counted apart when our worker died holding it and Python ran it again', () => {
    expect(judged(...run('first', ours, 10), died(ours, 125), ...run('again', python, 300))).toEqual({
      guilty: [],
      repeatedByPython: ['a'],
    });
  });

  it.each<[string, Entry[]]>([
    ['a worker of ours ran it again', [died(ours, 125), ...run('again', alsoOurs, 300)]],
    ['both ran it again', [died(ours, 125), ...run('again', python, 300), ...run('third', alsoOurs, 500)]],
    [
      'Python ran it twice again',
      [died(ours, 125), ...run('again', python, 300), ...run('third', python, 500)],
    ],
    ['our worker lived', run('again', python, 300)],
    ['another worker died', [died(alsoOurs, 125), ...run('again', python, 300)]],
    ['our worker was asked to stop', [died(ours, 125, 'term'), ...run('again', python, 300)]],
    ['our worker died later', [...run('again', python, 300), died(ours, 500)]],
  ])('is a fault when %s', (_, ledger) => {
    const found = judged(...run('first', ours, 10), ...ledger);
    expect(found.guilty).toContain('finishedTwice');
    expect(found.repeatedByPython).toEqual([]);
  });

  it('is a fault when our worker had died before the result was there', () => {
    const found = judged(...run('first', ours, 10), died(ours, 50), ...run('again', python, 300));
    expect(found.guilty).toContain('finishedTwice');
    expect(found.repeatedByPython).toEqual([]);
  });

  it('is a fault when it was a run of Python that was recorded', () => {
    const found = judged(...run('first', python, 10), died(ours, 125), ...run('again', python, 300));
    expect(found.guilty).toContain('finishedTwice');
    expect(found.repeatedByPython).toEqual([]);
  });

  it('is a fault when no run returned what is recorded', () => {
    const found = judged(...run('other', ours, 10), died(ours, 125), ...run('again', python, 300));
    expect(found.guilty).toContain('finishedTwice');
    expect(found.repeatedByPython).toEqual([]);
  });
});
