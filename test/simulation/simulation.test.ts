// The protocol of claims, leases and fences under everything that can happen, seed after seed: `SIMULATION_SEEDS=10000` for the long run,
// `SIMULATION_SEED=n` for one.
import { describe, expect, it } from 'vitest';
import { simulate } from './simulate.ts';
import type { Bug } from './store.ts';

const seeds = Number(process.env.SIMULATION_SEEDS ?? 200);
const only = process.env.SIMULATION_SEED === undefined ? null : Number(process.env.SIMULATION_SEED);

const bugs: readonly Bug[] = [
  'a late owner may settle',
  'a lease is never taken away',
  'a living owner is struck off',
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
  'a suspect is held beside others',
  'a result may be overwritten',
];

describe('a simulated store with real workers', () => {
  it(`keeps every promise after every step, with ${seeds} seeds`, async () => {
    const sum = { steps: 0, faults: 0, runs: 0 };
    const first = only ?? 1;
    for (let seed = first; seed <= (only ?? seeds); seed++) {
      const { wrong, steps, faults, runs, trace } = await simulate(seed);
      expect(wrong, `SIMULATION_SEED=${seed}\n${wrong.length > 0 ? trace : ''}`).toEqual([]);
      sum.steps += steps;
      sum.faults += faults;
      sum.runs += runs;
    }
    console.log(`${seeds} seeds: ${sum.steps} steps, ${sum.faults} faults, ${sum.runs} runs`);
  }, 600_000);

  it('goes the same way for the same seed', async () => {
    for (const seed of [7, 70, 700]) expect((await simulate(seed)).trace).toBe((await simulate(seed)).trace);
  });

  it('that gives what is scheduled too early is put right by the worker', async () => {
    for (let seed = 1; seed <= 30; seed++)
      expect((await simulate(seed, 'what is scheduled comes early')).wrong, `seed ${seed}`).toEqual([]);
  });

  it.each(bugs)('whose planted bug is that %s is found out', async (bug) => {
    for (let seed = 1; seed <= 200; seed++) if ((await simulate(seed, bug)).wrong.length > 0) return;
    expect.fail('200 seeds did not show it');
  }, 60_000);
});
