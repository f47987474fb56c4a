// The TypeScript half of the counted tasks: each run is written down. The Python half is in interop_app.py.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '../../../src/index.ts';
import { Ledger } from '../../e2e/harness/ledger.ts';

/** `ledgers`: the folder in which each process has a file. */
export function defineCounted(app: App, ledgers: string): void {
  const ledger = new Ledger(join(ledgers, `${process.pid}.ledger`));
  app.task('both.step', { bind: true }, async ({ request }, seconds: number): Promise<string> => {
    const common = { id: request.id, run: randomUUID(), pid: process.pid };
    ledger.write({ kind: 'start', ...common, retries: request.retries, at: Date.now() });
    await sleep(seconds * 1000);
    ledger.write({ kind: 'end', ...common, at: Date.now() });
    return common.run;
  });
}
