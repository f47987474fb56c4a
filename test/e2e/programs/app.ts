// The application under test. Its tasks write down what they do in a ledger of their process.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from 'umbel';
import { corpusTask } from '../../corpus/corpus.ts';
import { Ledger } from '../harness/ledger.ts';

const { PROOF_BROKER: broker, PROOF_BACKEND: backend, PROOF_LEDGERS: folder } = process.env;
if (broker === undefined || backend === undefined || folder === undefined)
  throw new Error('PROOF_BROKER, PROOF_BACKEND and PROOF_LEDGERS are not set');

export const ledger: Ledger = new Ledger(join(folder, `${process.pid}.ledger`));

export const app: App = new App('proof', {
  broker,
  backend,
  workerConcurrency: Number(process.env.PROOF_SLOTS ?? 4),
  workerLease: Number(process.env.PROOF_LEASE ?? 15),
  workerUnknownTaskGrace: 1,
  brokerHeartbeat: process.env.PROOF_HEARTBEAT === undefined ? null : Number(process.env.PROOF_HEARTBEAT),
});

/** Runs for so many milliseconds; returns the name of its run. */
export const step = app.task('proof.step', { bind: true }, async (task, ms: number) => {
  const run = begin(task.request.id, task.request.retries);
  await sleep(ms);
  return run.end();
});

/** Runs for so many milliseconds, asks to be run again soon, and runs once more. */
export const again = app.task('proof.again', { bind: true }, async (task, ms: number) => {
  const run = begin(task.request.id, task.request.retries);
  await sleep(ms);
  if (task.request.retries === 0) throw task.retry({ countdown: 0.1 });
  return run.end();
});

/** The same, after one and a half seconds. */
export const later = app.task('proof.later', { bind: true }, async (task, ms: number) => {
  const run = begin(task.request.id, task.request.retries);
  await sleep(ms);
  if (task.request.retries === 0) throw task.retry({ countdown: 1.5 });
  return run.end();
});

/** Blocks the event loop for so many milliseconds, as a task with a long computation does. */
export const block = app.task('proof.block', { bind: true }, (task, ms: number) => {
  const run = begin(task.request.id, task.request.retries);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return run.end();
});

/** Kills its own process, as a task that runs out of memory or crashes in native code does. */
export const suicide = app.task('proof.suicide', { bind: true }, async (task, ms: number) => {
  begin(task.request.id, task.request.retries);
  await sleep(ms);
  process.kill(process.pid, 'SIGKILL');
  await sleep(60_000);
});

/** Takes anything; returns how many arguments it got. */
export const anything = app.task(corpusTask, { bind: true }, (task, ...args: unknown[]) => {
  const run = begin(task.request.id, task.request.retries);
  run.end();
  return args.length;
});

function begin(id: string, retries: number): { end(): string } {
  const common = { id, run: randomUUID(), pid: process.pid };
  ledger.write({ kind: 'start', ...common, retries, at: Date.now() });
  return {
    end() {
      ledger.write({ kind: 'end', ...common, at: Date.now() });
      return common.run;
    },
  };
}
