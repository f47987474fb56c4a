// bee-queue with its defaults. It keeps that a job succeeded, and publishes what it returned without keeping it.
import Queue from 'bee-queue';
import { until } from './systems.mjs';

export function beeQueue() {
  return {
    async open(url) {
      let queue = null;
      /** What a program needs of it differs: only one that waits for results listens to events and remembers its jobs. */
      const opened = async (settings) => {
        if (queue === null) {
          queue = new Queue('bench', {
            redis: { url },
            isWorker: false,
            getEvents: false,
            storeJobs: false,
            ...settings,
          });
          await queue.ready();
        }
        return queue;
      };
      return {
        async send(data) {
          await (await opened()).createJob(data).save();
        },
        async sendMany(count) {
          const chunk = 1000;
          const sender = await opened();
          for (let sent = 0; sent < count; sent += chunk) {
            const errors = await sender.saveAll(
              Array.from({ length: Math.min(chunk, count - sent) }, () => sender.createJob({ at: 0 })),
            );
            if (errors.size > 0) throw new Error('bee-queue has not saved all');
          }
        },
        async sendAt(data, due) {
          await (await opened()).createJob(data).delayUntil(due).save();
        },
        listens: () => opened({ getEvents: true, storeJobs: true }),
        async result(data) {
          const sender = await opened();
          await new Promise((resolve, reject) => {
            sender.createJob(data).on('succeeded', resolve).on('failed', reject).save().catch(reject);
          });
        },
        async work(onStart) {
          const worker = await opened({ isWorker: true, activateDelayedJobs: true });
          worker.process(100, async (job) => onStart(job.data));
          return {
            settled: (count) => until(async () => (await worker.checkHealth()).succeeded >= count),
            stop: () => worker.close(10_000),
          };
        },
        async counts() {
          const { waiting, delayed, succeeded } = await (await opened()).checkHealth();
          return { waiting: waiting + delayed, done: succeeded };
        },
        async close() {
          if (queue !== null && !queue.paused) await queue.close(10_000);
        },
      };
    },
  };
}
