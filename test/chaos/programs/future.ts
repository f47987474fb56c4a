// Many tasks for later. `send <how many> <first, ms from now> <within ms>` sends them; `work` waits for them, and prints after each line of its
// input what it has run and how late each began.
import { createInterface } from 'node:readline';
import { App } from 'umbel';
import { Worker } from 'umbel/worker';

const { CHAOS_BROKER: broker = 'memory://', CHAOS_BACKEND: backend = broker } = process.env;
const [role, ...rest] = process.argv.slice(2);
const app = new App('future', { broker, backend, workerConcurrency: 16, taskIgnoreResult: true });
const lateness: number[] = [];
/** `dueMs` 0: at once. */
const late = app.task('late', (dueMs: number) => {
  if (dueMs > 0) lateness.push(Date.now() - dueMs);
});
await app.broker();
if (role === 'send') await send();
else await work();
await app.close();

async function send(): Promise<void> {
  const [count = 0, firstMs = 0, withinMs = 0] = rest.map(Number);
  const first = Date.now() + firstMs;
  for (let sent = 0; sent < count; sent += 200)
    await Promise.all(
      Array.from({ length: Math.min(200, count - sent) }, (_, index) => {
        if (firstMs === 0) return late.delay(0);
        const dueMs = first + Math.floor(((sent + index) / count) * withinMs);
        return late.applyAsync([dueMs], { eta: new Date(dueMs) });
      }),
    );
  process.stdout.write(`sent ${first - Date.now()}\n`);
}

async function work(): Promise<void> {
  const worker = new Worker(app);
  await worker.start();
  process.stdout.write('ready\n');
  for await (const _ of createInterface(process.stdin)) {
    const sorted = [...lateness].sort((a, b) => a - b);
    const at = (share: number): number | undefined => sorted[Math.floor(sorted.length * share)];
    const early = sorted.filter((each) => each < 0).length;
    const found = { ran: sorted.length, early, p50: at(0.5), p99: at(0.99), latest: sorted.at(-1) };
    process.stdout.write(`${JSON.stringify(found)}\n`);
  }
  await worker.stop();
}
