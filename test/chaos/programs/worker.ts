// A worker with points. It is loaded first, and joins when it is told to: `go <FAILPOINT>`. Prints `ready` when it takes tasks, and what
// points it has reached when it ends.
import { createInterface } from 'node:readline';
import { Worker, type WorkerOptions } from 'umbel/worker';
import { app } from './app.ts';
import { hit, reached } from './failpoint.ts';
import { pointed } from './stores.ts';

const { signals } = app;
signals.workerShuttingDown.connect(() => hit('shutdown:asked'));
signals.workerShutdown.connect(() => hit('shutdown:drained'));

const input = createInterface(process.stdin);
process.stdout.write('loaded\n');
for await (const line of input) {
  process.env.FAILPOINT = line.slice('go '.length);
  break;
}
process.stdin.destroy();
process.env.CHAOS_WORKER = String(process.pid);
await pointed(app);
const pool = (process.env.CHAOS_POOL ?? 'async') as NonNullable<WorkerOptions['pool']>; // the harness says one of them
const worker = new Worker(app, {
  pool,
  name: `chaos-${process.pid}@%h`,
  ...(pool === 'async' ? {} : { module: import.meta.url.replace(/worker\.(?=[jt]s$)/, 'app.') }),
});
const running = worker.run();
await worker.start();
process.stdout.write('ready\n');
await running;
await app.close();
process.stdout.write(`reached ${JSON.stringify(reached())}\n`);
