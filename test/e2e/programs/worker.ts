// A worker process. Prints `ready` when it takes tasks, and its memory each second; stops at SIGTERM. With PROOF_COLLECTS its memory is
// what is left when the garbage is collected.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'umbel/worker';
import { app } from './app.ts';

const worker = new Worker(app);
const running = worker.run();
await worker.start();
process.stdout.write('ready\n');
let collect = (): void => undefined;
if (process.env.PROOF_COLLECTS !== undefined) {
  setFlagsFromString('--expose-gc');
  collect = runInNewContext('gc');
}
setInterval(() => {
  collect();
  process.stdout.write(`rss ${process.memoryUsage.rss()}\n`);
}, 1000).unref();
await running;
await app.close();
