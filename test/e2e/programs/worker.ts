// A worker process. Prints `ready` when it takes tasks, and its memory each second; stops at SIGTERM.
import { Worker } from 'umbel/worker';
import { app } from './app.ts';

const worker = new Worker(app);
const running = worker.run();
await worker.start();
process.stdout.write('ready\n');
setInterval(() => process.stdout.write(`rss ${process.memoryUsage.rss()}\n`), 1000).unref();
await running;
await app.close();
