import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { guilty } from './harness/checkers.ts';
import { seeded } from './harness/random.ts';
import { Trial } from './harness/trial.ts';

const seed = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000);

describe(`faults of processes (FAULTS_SEED=${seed})`, () => {
  it('a sender that is killed while it sends has lost nothing that was acknowledged to it', async () => {
    const random = seeded(seed);
    await using trial = new Trial({ slots: 8 });
    await trial.worker();
    for (let round = 0; round < 5; round++) {
      const sender = await trial.sender();
      sender.tell(JSON.stringify({ count: 10_000, ms: 0 }));
      await sleep(30 + random.below(150));
      await sender.end('kill', trial.faults);
    }
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts.acknowledged).toBeGreaterThan(5);
    expect(counts.duplicated).toBe(0);
  }, 60_000);

  it('workers that are asked to stop at any moment finish what they hold: nothing lost, nothing run twice', async () => {
    const random = seeded(seed);
    await using trial = new Trial({ slots: 4 });
    const sender = await trial.sender();
    const first = [await trial.worker(), await trial.worker()];
    const workers = [...first];
    for (let round = 0; round < 10; round++) {
      sender.tell(JSON.stringify({ count: 40, ms: 30 }));
      await sleep(10 + random.below(120));
      const victim = workers.shift();
      const exit = await victim?.end('term', trial.faults);
      expect(exit, victim?.errors).toEqual({ code: 0, signal: null });
      workers.push(await trial.worker());
    }
    await sender.line('sent 400');
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 400, ended: 400, runs: 400, duplicated: 0 });
  }, 60_000);

  it('a worker that stood still for longer than its lease writes no result over that of its successor', async () => {
    await using trial = new Trial({ slots: 4, lease: 1 });
    const sender = await trial.sender();
    const [frozen] = [await trial.worker()];
    sender.tell(JSON.stringify({ count: 4, ms: 300 }));
    await trial.until(() => trial.ledger.filter(({ kind }) => kind === 'start').length === 4);
    const at = Date.now();
    frozen.signal('SIGSTOP');
    await trial.worker();
    await trial.until(() => trial.ended === 4);
    frozen.signal('SIGCONT');
    trial.faults.write({ kind: 'fault', fault: 'stop', pid: frozen.pid, at, until: Date.now() });
    await trial.until(() => trial.ledger.filter(({ kind }) => kind === 'end').length === 8);
    // The one that was frozen goes on: it works again.
    sender.tell(JSON.stringify({ count: 100, ms: 20 }));
    await sender.line('sent 104');
    const { report, counts, ledger } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 104, ended: 104, duplicated: 4 });
    const later = ledger.filter((entry) => entry.kind === 'start' && entry.pid === frozen.pid);
    expect(later.length).toBeGreaterThan(4);
  }, 60_000);

  it('a task that blocks the event loop for longer than the lease keeps it, and runs once', async () => {
    await using trial = new Trial({ slots: 2, lease: 1 });
    const sender = await trial.sender();
    await trial.worker();
    await trial.worker();
    sender.tell(JSON.stringify({ count: 1, ms: 5000, kind: 'block' }));
    await trial.until(() => trial.ended === 1);
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 1, ended: 1, runs: 1 });
  }, 60_000);

  it('a task that waits for its eta is not lost and not early when its worker is killed meanwhile', async () => {
    await using trial = new Trial({ slots: 4 });
    const sender = await trial.sender();
    const first = await trial.worker();
    sender.tell(JSON.stringify({ count: 50, ms: 5, countdown: 2500 }));
    await sender.line('sent 50');
    await first.end('kill', trial.faults);
    await trial.worker();
    await trial.until(() => trial.ended === 50);
    const { report, counts } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ acknowledged: 50, ended: 50, runs: 50 });
  }, 60_000);
});
