// Many tasks for later, and one worker that waits for them: how late each begins, and what the waiting takes. Arguments: how many, within
// how many seconds. Prints one line of JSON.
import { App } from 'umbel';
import { Worker } from 'umbel/worker';

const { CHAOS_BROKER: broker = 'memory://', CHAOS_BACKEND: backend = broker } = process.env;
const [count = 1000, seconds = 10] = process.argv.slice(2).map(Number);
const app = new App('future', { broker, backend, workerConcurrency: 16, taskIgnoreResult: true });
const lateness: number[] = [];
const late = app.task('late', (dueMs: number) => {
  lateness.push(Date.now() - dueMs);
});
await app.broker();
const worker = new Worker(app);
await worker.start();
globalThis.gc?.();
const before = process.memoryUsage.rss();
const started = Date.now();
// Time enough to send them all.
const first = started + Math.max(5000, count / 2);
for (let sent = 0; sent < count; sent += 200)
  await Promise.all(
    Array.from({ length: Math.min(200, count - sent) }, (_, index) => {
      const dueMs = first + Math.floor(((sent + index) / count) * seconds * 1000);
      return late.applyAsync([dueMs], { eta: new Date(dueMs) });
    }),
  );
const sentMs = Date.now() - started;
globalThis.gc?.();
const waiting = process.memoryUsage.rss();
for (let waits = 0; lateness.length < count && waits < 6000; waits++)
  await new Promise((resolve) => setTimeout(resolve, 100));
lateness.sort((a, b) => a - b);
const at = (share: number): number | undefined => lateness[Math.floor(lateness.length * share)];
const grownMb = Math.round((waiting - before) / 1024 / 1024);
process.stdout.write(
  `${JSON.stringify({ count, ran: lateness.length, early: lateness.filter((each) => each < 0).length, sentMs, grownMb, p50: at(0.5), p99: at(0.99), latest: lateness.at(-1) })}\n`,
);
await worker.stop();
await app.close();
