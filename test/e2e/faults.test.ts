// What happens to processes on the embedded store, each once. Long run: more senders that are killed (5 instead of 1), more workers that are
// asked to stop (10 instead of 2), and a standstill of 45 s.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { scaled, seed } from '../run/scale.ts';
import { until } from '../until.ts';
import { guilty } from './harness/checkers.ts';
import { standStill } from './harness/disturbed.ts';
import { seeded } from './harness/random.ts';
import { Trial, trialMs } from './harness/trial.ts';

describe(`faults of processes, seed ${seed}`, { timeout: trialMs }, () => {
  it('a sender that is killed while it sends has lost nothing that was acknowledged to it', async () => {
    const random = seeded(seed);
    await using trial = new Trial({ slots: 8 });
    await trial.worker();
    for (let round = 0; round < scaled(1, 5); round++) {
      const sender = await trial.sender();
      const before = trial.count('ok');
      sender.tell(JSON.stringify({ count: 10_000, ms: 0 }));
      await until(() => trial.count('ok') > before + 3, 'it sends');
      await sleep(random.below(100)); // some moment
      await sender.end('kill', trial.faults);
    }
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts.duplicated).toBe(0);
  });

  it('workers that are asked to stop at any moment finish what they hold: nothing lost, nothing run twice', async () => {
    const random = seeded(seed);
    const [rounds, perRound] = [scaled(2, 10), 40];
    await using trial = new Trial({ slots: 4 });
    const sender = await trial.sender();
    const workers = await Promise.all([trial.worker(), trial.worker()]);
    for (let round = 0; round < rounds; round++) {
      sender.tell(JSON.stringify({ count: perRound, ms: 30 }));
      await sleep(10 + random.below(120)); // some moment
      const victim = workers.shift();
      const exit = await victim?.end('term', trial.faults);
      expect(exit, victim?.errors).toEqual({ code: 0, signal: null });
      workers.push(await trial.worker());
    }
    const all = rounds * perRound;
    await sender.line(`sent ${all}`);
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: all, ended: all, runs: all, duplicated: 0 });
  });
});

// Beside each other: they wait for leases and etas.
describe.concurrent('faults of processes that take their time', { timeout: trialMs }, () => {
  it('a worker that stood still for longer than its lease writes no result over that of its successor', async () => {
    await standStill('the embedded store, a worker stands still', { lease: 5 });
  });

  it('a task that blocks the event loop for longer than the lease keeps it, and runs once', async () => {
    // A lease that is kept on a busy machine; long run: five leases.
    const [lease, ms] = [scaled(4, 1), scaled(9000, 5000)];
    await using trial = new Trial({ slots: 2, lease });
    const sender = await trial.sender();
    await Promise.all([trial.worker(), trial.worker()]);
    sender.tell(JSON.stringify({ count: 1, ms, kind: 'block' }));
    await until(() => trial.ended === 1, 'it has ended');
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 1, ended: 1, runs: 1 });
  });

  it('a task that waits for its eta is not lost and not early when its worker is killed meanwhile', async () => {
    await using trial = new Trial({ slots: 4 });
    const sender = await trial.sender();
    const first = await trial.worker();
    sender.tell(JSON.stringify({ count: 50, ms: 5, countdown: 6000 }));
    await sender.line('sent 50');
    await first.end('kill', trial.faults);
    expect(trial.count('start'), 'it was killed before the first was due').toBe(0);
    await trial.worker();
    await until(() => trial.ended === 50, 'all have run');
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 50, ended: 50, runs: 50 });
  });
});
