// A recorder, or a worker, to be killed: prints `ready`.
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from '../../src/app/app.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { Worker } from '../../src/worker/worker.ts';

const [role, broker = '', backend = '', historyStore = ''] = process.argv.slice(2);
const app = new App('shop', { broker, backend, historyStore, workerLease: 3, workerConcurrency: 4 });
app.task('shop.work', async (n: number) => {
  await sleep(n % 7);
  return n;
});
const service = role === 'recorder' ? new Recorder(app) : new Worker(app, { name: `w${process.pid}@here` });
await service.start();
process.send?.('ready');
