// A worker process whose tasks are parts of workflows, and write down each run. Prints `ready` when it takes tasks.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from 'umbel';
import { Worker } from 'umbel/worker';
import { Ledger } from '../../e2e/harness/ledger.ts';

const { WORKFLOW_BROKER: broker, WORKFLOW_BACKEND: backend, WORKFLOW_LEDGERS: folder } = process.env;
if (broker === undefined || backend === undefined || folder === undefined)
  throw new Error('WORKFLOW_BROKER, WORKFLOW_BACKEND and WORKFLOW_LEDGERS are not set');

const ledger = new Ledger(join(folder, `${process.pid}.ledger`));
const workerLease = Number(process.env.WORKFLOW_LEASE);
const taskMs = Number(process.env.WORKFLOW_TASK_MS);
const app = new App('flow', { broker, backend, workerLease, workerConcurrency: 4 });

/** Sleeps, and gives the sum of what it is given. */
app.task('flow.sum', { bind: true }, async (task, ...given: unknown[]) => {
  const common = { id: task.request.id, run: randomUUID(), pid: process.pid };
  ledger.write({ kind: 'start', ...common, retries: task.request.retries, at: Date.now() });
  await sleep(taskMs);
  ledger.write({ kind: 'end', ...common, at: Date.now() });
  return sum(given);
});

app.task('flow.fail', { bind: true }, async (task) => {
  const common = { id: task.request.id, run: randomUUID(), pid: process.pid };
  ledger.write({ kind: 'start', ...common, retries: task.request.retries, at: Date.now() });
  throw new RangeError('deliberate');
});

function sum(values: readonly unknown[]): number {
  return values.reduce<number>(
    (all, value) => all + (Array.isArray(value) ? sum(value) : typeof value === 'number' ? value : 1),
    0,
  );
}

const worker = new Worker(app);
const running = worker.run();
await worker.start();
process.stdout.write('ready\n');
await running;
await app.close();
