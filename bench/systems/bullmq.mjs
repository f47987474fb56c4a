// BullMQ with ioredis, as its documentation advises for production: results kept for a day, then removed by age.
import { createRequire } from 'node:module';
import { until } from './systems.mjs';

// Its ES module build cannot load ioredis by itself.
const { Queue, QueueEvents, Worker } = createRequire(import.meta.url)('bullmq');

const kept = { removeOnComplete: { age: 86_400 }, removeOnFail: { age: 86_400 } };

export function bullmq() {
  return {
    async open(url) {
      const { hostname, port } = new URL(url);
      const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
      const queue = new Queue('bench', { connection, defaultJobOptions: kept });
      await queue.waitUntilReady();
      let events = null;
      return {
        async send(data) {
          await queue.add('noop', data);
        },
        async sendMany(count) {
          const chunk = 1000;
          for (let sent = 0; sent < count; sent += chunk)
            await queue.addBulk(
              Array.from({ length: Math.min(chunk, count - sent) }, () => ({
                name: 'noop',
                data: { at: 0 },
              })),
            );
        },
        async sendAt(data, due) {
          await queue.add('noop', data, { delay: Math.max(0, due - Date.now()) });
        },
        async result(data) {
          if (events === null) {
            events = new QueueEvents('bench', { connection });
            await events.waitUntilReady();
          }
          const job = await queue.add('noop', data);
          await job.waitUntilFinished(events, 10_000);
        },
        async work(onStart) {
          const worker = new Worker('bench', async (job) => onStart(job.data), {
            connection,
            concurrency: 100,
          });
          worker.on('error', (error) => console.error(error));
          await worker.waitUntilReady();
          return {
            settled: (count) => until(async () => (await queue.getCompletedCount()) >= count),
            stop: () => worker.close(),
          };
        },
        async counts() {
          const { waiting, delayed, completed } = await queue.getJobCounts('waiting', 'delayed', 'completed');
          return { waiting: waiting + delayed, done: completed };
        },
        async close() {
          await events?.close();
          await queue.close();
        },
      };
    },
  };
}
