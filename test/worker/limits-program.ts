// A worker to be killed. It writes down when its tasks begin and end, and under which process.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { App } from '../../src/app/app.ts';
import { Worker } from '../../src/worker/worker.ts';

const [broker = '', backend = '', ledger = ''] = process.argv.slice(2);
const app = new App('limits', { broker, backend, workerLease: 3, workerConcurrency: 4 });
const say = (word: string, id: string): void =>
  appendFileSync(ledger, `${JSON.stringify({ word, id, pid: process.pid, at: Date.now() })}\n`);

app.task(
  'hold',
  { bind: true, concurrency: { limit: 3, key: 0 } },
  async (task, tenant: string, ms: number) => {
    say('begin', `${tenant} ${task.request.id}`);
    await sleep(ms);
    say('end', `${tenant} ${task.request.id}`);
  },
);
app.task('sole', { bind: true, unique: { key: 0 } }, async (task, _: string) => {
  say('begin', task.request.id);
  await sleep(600_000);
});
app.signals.workerReady.connect(() => say('ready', ''));
await new Worker(app, { name: `w${process.pid}@here` }).run();
await app.close();
process.exit();
