// The protocol of claims, leases and fences under everything that can happen, seed after seed: 20 of them, in the long run 10,000. A planted
// bug is found within 200 seeds, the same in each run; default run: every third of the bugs.
import { describe, expect, it } from 'vitest';
import { figures } from '../e2e/harness/trial.ts';
import { seed as firstSeed, scaled } from '../run/scale.ts';
import { simulate } from './simulate.ts';
import type { Bug } from './store.ts';

const seeds = scaled(20, 10_000);

const bugs: readonly Bug[] = [
  'a late owner may settle',
  'a lease is never taken away',
  'a living owner is evicted',
  'a claim is answered anew when it is asked again',
  'two workers are given one message',
  'what an owner leaves is forgotten',
  'what a dead owner held is forgotten',
  'a dead letter is dropped',
  'the result is written without the acknowledgement',
  'the acknowledgement is written without the result',
  'a retry is acknowledged and not sent',
  'a send is confirmed before it is kept',
  'a send that is repeated counts twice',
  'deaths are not counted',
  'a message that comes back does not say so',
  'a quarantined message is held beside others',
  'a result may be overwritten',
];

describe('a simulated store with real workers', () => {
  const timeout = scaled(300_000, 3_600_000);
  it(`keeps every promise after every step, with ${seeds} seeds`, { timeout }, async () => {
    const sum = { steps: 0, faults: 0, runs: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const { wrong, steps, faults, runs, trace } = await simulate(seed);
      expect(wrong, `UMBEL_SEED=${seed}\n${wrong.length > 0 ? trace : ''}`).toEqual([]);
      sum.steps += steps;
      sum.faults += faults;
      sum.runs += runs;
    }
    figures(`${seeds} seeds: ${sum.steps} steps, ${sum.faults} faults, ${sum.runs} runs`);
  });

  it('goes the same way for the same seed', async () => {
    for (const seed of [7, 70, 700]) expect((await simulate(seed)).trace).toBe((await simulate(seed)).trace);
  });

  it('that gives what is scheduled too early is put right by the worker', async () => {
    for (let seed = 1; seed <= scaled(10, 30); seed++)
      expect((await simulate(seed, 'what is scheduled comes early')).wrong, `seed ${seed}`).toEqual([]);
  });

  it.each(bugs.filter((_, n) => n % scaled(3, 1) === 0))('whose planted bug is that %s is found out', {
    timeout: 300_000,
  }, async (bug) => {
    for (let seed = 1; seed <= 200; seed++) if ((await simulate(seed, bug)).wrong.length > 0) return;
    expect.fail('200 seeds did not show it');
  });
});
