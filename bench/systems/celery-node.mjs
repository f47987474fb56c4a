// celery-node. Its `delay` returns before the call is sent and says nothing of it, so the measurement waits for the
// promise of its broker, one layer below. It has no eta and no bulk, and its worker cannot be stopped.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { until } from './systems.mjs';

const celery = createRequire(import.meta.url)('celery-node');
/** Its default is 500 ms; with that a result is half a second late. */
const pollMs = 2;
// Its worker prints two lines for each task: to nowhere, at the least cost.
console.info = () => {};

export function celeryNode() {
  return {
    async open(url) {
      const client = celery.createClient(url, url);
      await client.isReady();
      const { redis } = client.backend;
      const send = (data) => {
        const id = randomUUID();
        const { headers, properties, body } = client.createTaskMessage(id, 'bench.noop', [data], {});
        return client.broker.publish(body, '', 'celery', headers, properties);
      };
      return {
        send,
        async sendMany(count) {
          const chunk = 1000;
          for (let sent = 0; sent < count; sent += chunk)
            await Promise.all(Array.from({ length: Math.min(chunk, count - sent) }, () => send({ at: 0 })));
        },
        sendAt: null,
        async result(data) {
          await client.createTask('bench.noop').applyAsync([data]).get(10_000, pollMs);
        },
        async work(onStart) {
          const worker = celery.createWorker(url, url);
          worker.register('bench.noop', (data) => {
            onStart(data);
            return null;
          });
          await worker.isReady();
          worker.start();
          return {
            settled: (count) => until(async () => (await redis.dbsize()) >= count),
            async stop() {},
          };
        },
        async counts() {
          const waiting = await redis.llen('celery');
          return { waiting, done: (await redis.dbsize()) - (waiting > 0 ? 1 : 0) };
        },
        // What a worker of its holds open cannot be closed: the process ends with its report.
        async close() {
          await client.disconnect();
        },
      };
    },
  };
}
