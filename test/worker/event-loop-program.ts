// A program whose event loop is blocked: until its parent has heard of it, or for ever by a task. Says on standard output what is logged.
import { App } from '../../src/app/app.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { EventLoopMonitor } from '../../src/worker/event-loop-monitor.ts';
import { Worker } from '../../src/worker/worker.ts';

const [broker] = process.argv.slice(2);
const say = (fields: object, text: string): void => console.log(JSON.stringify({ text, ...fields }));
const silent = (): void => undefined;
const logger: Logger = { debug: silent, info: silent, warn: say, error: say, child: () => logger };

if (broker === undefined) {
  const monitor = new EventLoopMonitor({ name: 'w@here', logger, warnAfterMs: 50, maxBlockedMs: 3_600_000 });
  await monitor.start();
  monitor.begins({ task: 'shop.count\n', id: 'a' });
  let isHeard = false;
  process.once('message', () => {
    isHeard = true;
    process.disconnect();
  });
  while (!isHeard) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await monitor.stop();
} else {
  const app = new App('spinning', { broker, workerMaxBlocked: 1, workerLease: 2, workerMaxDeliveries: 3 });
  app.task('quick', (word: string) => word);
  app.task('spin', () => {
    for (;;);
  });
  await new Worker(app, { logger, concurrency: 2 }).run();
}
