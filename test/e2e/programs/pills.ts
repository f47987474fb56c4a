// Tasks that do harm, and innocent ones beside them; with `worker <pool>` as its arguments a worker that runs them.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from 'umbel';
import { Worker, type WorkerOptions } from 'umbel/worker';

const url = process.env.PROOF_BROKER;
if (url === undefined) throw new Error('PROOF_BROKER is not set');

export const app: App = new App('pills', {
  broker: url,
  backend: url,
  workerConcurrency: 4,
  workerLease: Number(process.env.PROOF_LEASE ?? 15),
  workerMaxDeliveries: Number(process.env.PILLS_MAX_DELIVERIES ?? 5),
});

app.task('innocent', async (ms: number) => {
  await sleep(ms);
  return 'well';
});

app.task('exit', () => process.exit(3));
app.task('self-kill', () => die('SIGKILL'));
app.task('segfault', () => die('SIGSEGV'));
app.task('out-of-memory', () => {
  const hoard: number[][] = [];
  for (;;) hoard.push(Array.from({ length: 100_000 }, (_, index) => index + hoard.length));
});
app.task('busy-loop', { timeLimit: 2 }, () => {
  for (;;);
});
app.task('blocked-loop', { timeLimit: 2 }, () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
app.task('rejection-after-return', () => {
  setTimeout(() => void Promise.reject(new Error('too late')), 20);
  return 'returned';
});
app.task('throws-no-error', () => {
  throw undefined; // what a library may do
});
app.task('output-flood', () => {
  for (let line = 0; line < 20_000; line++) {
    process.stdout.write(`${'x'.repeat(1000)}\n`);
    process.stderr.write(`${'y'.repeat(1000)}\n`);
  }
  return 'said';
});
app.task('changed-globals', () => {
  const broken = (): never => {
    throw new Error('broken by a task');
  };
  Object.assign(JSON, { stringify: broken, parse: broken });
  Object.assign(globalThis, { setTimeout: broken, queueMicrotask: broken, structuredClone: broken });
  Object.assign(Object.prototype, { polluted: true });
  return 'changed';
});
app.task('killed-parent', () => {
  if (process.env.PILLS_WORKER !== String(process.ppid)) throw new Error('not in a child of the worker');
  process.kill(process.ppid, 'SIGKILL');
});
app.task('grandchildren', () => {
  for (let n = 0; n < 3; n++) {
    const { pid } = spawn('sleep', ['60'], { stdio: 'inherit' });
    // For the test, which ends them.
    appendFileSync(join(process.env.PROOF_LEDGERS ?? '.', 'grandchildren'), `${pid}\n`);
  }
  return 'left behind';
});

function die(signal: NodeJS.Signals): Promise<void> {
  process.kill(process.pid, signal);
  return sleep(60_000);
}

const [role, pool] = process.argv.slice(2);
if (role === 'worker' && process.env.PILLS_WORKER === undefined) {
  process.env.PILLS_WORKER = String(process.pid);
  const worker = new Worker(app, {
    pool: pool as NonNullable<WorkerOptions['pool']>, // the test says one of them
    module: import.meta.url,
  });
  const running = worker.run();
  await worker.start();
  process.stdout.write('ready\n');
  await running;
  await app.close();
}
