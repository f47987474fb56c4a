// A BullMQ worker of the probe: `node worker.mjs <port> <ledger>`. Locks and checks are shortened to two seconds, as Umbel's lease is in the tests.
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const { Worker } = createRequire(new URL('../../../bench/main.mjs', import.meta.url))('bullmq');
const [port, ledger] = process.argv.slice(2);
const worker = new Worker(
  'probe',
  async (job) => {
    appendFileSync(ledger, `start ${job.id}\n`);
    if (job.name === 'poison') process.kill(process.pid, 'SIGKILL');
    await sleep(job.data.ms);
    appendFileSync(ledger, `end ${job.id}\n`);
  },
  {
    connection: { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null },
    concurrency: 8,
    lockDuration: 2000,
    stalledInterval: 2000,
  },
);
worker.on('error', () => undefined);
await worker.waitUntilReady();
console.log('ready');
