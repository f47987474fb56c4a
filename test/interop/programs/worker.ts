// A TypeScript worker as a process. Prints `ready` when it takes tasks; stops at SIGTERM.
//   INTEROP_SETTINGS  JSON: the application's settings     INTEROP_QUEUES   names, by comma
//   INTEROP_LEDGERS   a folder, for counted tasks          INTEROP_SLOTS    tasks at a time
import { App } from '../../../src/index.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { defineCounted } from './counted.ts';

const { INTEROP_SETTINGS, INTEROP_QUEUES, INTEROP_LEDGERS, INTEROP_SLOTS = '4', INTEROP_NAME } = process.env;
const app = new App('interop', JSON.parse(INTEROP_SETTINGS ?? '{}'));
if (INTEROP_LEDGERS !== undefined) defineCounted(app, INTEROP_LEDGERS);

const worker = new Worker(app, {
  queues: (INTEROP_QUEUES ?? 'celery').split(','),
  concurrency: Number(INTEROP_SLOTS),
  name: INTEROP_NAME ?? `typescript-${process.pid}@%h`,
});
const running = worker.run();
await worker.start();
process.stdout.write('ready\n');
await running;
await app.close();
