import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../until.ts';
import { guilty } from './harness/checkers.ts';
import { Trial, trialMs } from './harness/trial.ts';

describe('a disk that is full', { timeout: trialMs }, () => {
  it('refuses sends with a typed error; the worker lives, and goes on when there is room again', async ({
    skip,
  }) => {
    const mounted = smallDisk(8);
    if (mounted === null) return skip('a file system of 8 MB must be mounted, which needs Linux and root');
    await using disk = mounted;
    await using trial = new Trial({ slots: 4, store: join(disk.folder, 'store.db') });
    const worker = await trial.worker();
    const sender = await trial.sender();
    sender.tell(JSON.stringify({ count: 20, ms: 1 }));
    await sender.line('sent 20');
    await until(() => trial.ended === 20, 'all have run');

    // Tasks that end while there is no room: their results must not get lost.
    sender.tell(JSON.stringify({ count: 4, ms: 3000 }));
    await sender.line('sent 24');
    await until(() => trial.count('start') === 24, 'four more run');
    disk.fill();
    const full = sender.lines.length;
    sender.tell(JSON.stringify({ count: 3, ms: 1 }));
    await until(() => trial.count('fail') > 0, 'a send is refused');
    await until(() => trial.count('end') >= 24, 'they have ended');
    expect(worker.isAlive, worker.errors).toBe(true);
    disk.empty();

    await sender.line('sent', full);
    const empty = sender.lines.length;
    sender.tell(JSON.stringify({ count: 20, ms: 1 }));
    await sender.line('sent', empty);
    const { report, counts, ledger } = await trial.verdict();
    expect(guilty(report), JSON.stringify(report)).toEqual([]);
    expect(counts).toMatchObject({ duplicated: 0 });
    const failures = ledger.flatMap((entry) => (entry.kind === 'fail' ? [entry.error] : []));
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(failure).toMatch(/^BrokerUnavailable: .*full/);
    expect(counts.ended, 'a send that threw sent nothing').toBe(counts.acknowledged);
  });
});

interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
  /** Leaves no byte free. */
  fill(): void;
  empty(): void;
}

/** A file system in memory of so many megabytes; null where it cannot be mounted. */
function smallDisk(megabytes: number): SmallDisk | null {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return null;
  }
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill() {
      for (const size of [65_536, 4096, 1]) {
        try {
          for (;;) appendFileSync(ballast, Buffer.alloc(size));
        } catch {
          // no room for a piece of this size: on with smaller ones
        }
      }
    },
    empty() {
      rmSync(ballast);
    },
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
