// The application of the chaos proofs: one task for each way that a task can go. Each writes down what it does.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { App, Reject } from 'umbel';
import { Ledger } from '../../e2e/harness/ledger.ts';
import { hit, hitNow } from './failpoint.ts';

const { CHAOS_BROKER: broker, CHAOS_BACKEND: backend, CHAOS_LEDGERS: folder } = process.env;
if (broker === undefined || backend === undefined || folder === undefined)
  throw new Error('CHAOS_BROKER, CHAOS_BACKEND and CHAOS_LEDGERS are not set');

export const ledger: Ledger = new Ledger(join(folder, `${process.pid}.ledger`));

/** Of a run in a child, the worker's. */
const pid = Number(process.env.CHAOS_WORKER ?? process.pid);

export const app: App = new App('chaos', {
  broker,
  backend,
  workerConcurrency: Number(process.env.CHAOS_SLOTS ?? 4),
  workerLease: Number(process.env.CHAOS_LEASE ?? 15),
  brokerHeartbeat: process.env.CHAOS_HEARTBEAT === undefined ? null : Number(process.env.CHAOS_HEARTBEAT),
  // Here it is chance that kills them, and often.
  workerMaxDeliveries: 1000,
});

// Here, so that they are told in the children of a pool, too.
const { signals } = app;
signals.taskReceived.connect(() => hit('dispatch'));
signals.taskPrerun.connect(() => hit('start'));
signals.taskPostrun.connect(() => hit('return'));
signals.taskRetry.connect(() => hit('asked-retry'));
signals.taskRevoked.connect(() => hit('revoked'));

/** Runs for so many milliseconds; returns the name of its run. */
export const step = app.task('chaos.step', { bind: true }, async (task, ms: number) => {
  const run = await begin(task.request.id, task.request.retries);
  await sleep(ms);
  return run.end();
});

/** Asks once to be run again. */
export const again = app.task('chaos.again', { bind: true }, async (task, ms: number) => {
  const { id, retries } = task.request;
  const run = await begin(id, retries);
  await sleep(ms);
  if (retries === 0) throw task.retry({ countdown: 0.05 });
  return run.end();
});

/** Goes back to its queue by itself the first time. That it asked for it is written as a retry. */
export const requeue = app.task('chaos.requeue', { bind: true }, async (task, ms: number) => {
  const { id, redelivered } = task.request;
  const run = await begin(id, redelivered ? 1 : 0);
  await sleep(ms);
  if (!redelivered) throw new Reject('once more', { requeue: true });
  return run.end();
});

/** Is refused by its own code, and belongs to the dead letters. */
export const reject = app.task('chaos.reject', { bind: true }, async (task, ms: number) => {
  const run = await begin(task.request.id, task.request.retries);
  await sleep(ms);
  run.end();
  throw new Reject('for good');
});

/** Sends another one while it runs. */
export const spawn = app.task('chaos.spawn', { bind: true, trackStarted: true }, async (task, ms: number) => {
  const run = await begin(task.request.id, task.request.retries);
  await send(`child-${randomUUID()}`, (taskId) => step.applyAsync([ms], { taskId }));
  return run.end();
});

/** Waits for its turn, in the store. */
export const limited = app.task(
  'chaos.limited',
  { bind: true, rateLimit: '25/s' },
  async (task, ms: number) => {
    const run = await begin(task.request.id, task.request.retries);
    await sleep(ms);
    return run.end();
  },
);

/** Sends something under an id, with the ledger's word before and after. */
export async function send(
  id: string,
  how: (id: string) => Promise<unknown>,
  { eta, also = [] }: { readonly eta?: number; readonly also?: readonly string[] } = {},
): Promise<void> {
  const all = [id, ...also];
  for (const each of all)
    ledger.write({ kind: 'invoke', id: each, at: Date.now(), ...(eta === undefined ? {} : { eta }) });
  try {
    await how(id);
    for (const each of all) ledger.write({ kind: 'ok', id: each, at: Date.now() });
  } catch (error) {
    for (const each of all) ledger.write({ kind: 'fail', id: each, at: Date.now(), error: String(error) });
  }
}

async function begin(id: string, retries: number): Promise<{ end(): string }> {
  const common = { id, run: randomUUID(), pid };
  ledger.write({ kind: 'start', ...common, retries, at: Date.now() });
  await hit('effect:before');
  return {
    end() {
      ledger.write({ kind: 'end', ...common, at: Date.now() });
      hitNow('effect:after');
      return common.run;
    },
  };
}
