// Ours, as a user has it: the built package, results kept. The address is a file (the embedded store) or a broker's URL;
// after a `|` may stand the URL of the result backend, or `none`.
import { Worker } from '../../dist/worker/worker.js';
import { resultsInRedis } from './results-in-redis.mjs';
import { until } from './systems.mjs';

/** `worker`: options of the worker, for what its pools and events cost. `history`: written as if a recorder had registered. */
export function umbel({ worker: options = {}, history = false } = {}) {
  return {
    async open(address) {
      const [place, results = place] = address.split('|').map((part) => part.trim());
      const broker = place.includes('://') ? place : `sqlite://${place}`;
      const backend = results === 'none' ? null : results === place ? broker : results;
      const queue = process.env.BENCH_QUEUE ?? 'celery';
      Object.assign(process.env, {
        BENCH_BROKER: broker,
        BENCH_BACKEND: backend ?? 'none',
        ...(history && { BENCH_HISTORY: 'always' }),
      });
      const { app, seenStarts, noop } = await import('./umbel-app.mjs');
      const transport = await app.broker();
      return {
        async send(data) {
          await noop.delay(data);
        },
        async sendMany(count) {
          const chunk = 1000;
          for (let sent = 0; sent < count; sent += chunk)
            await noop.applyMany(Array.from({ length: Math.min(chunk, count - sent) }, () => [{ at: 0 }]));
        },
        async sendAt(data, due) {
          await noop.applyAsync([data], { eta: new Date(due) });
        },
        result:
          backend === null
            ? null
            : async (data) => {
                const result = await noop.delay(data);
                await result.get({ timeout: 10 });
              },
        async work(listener) {
          const inChildren = options.module !== undefined;
          if (inChildren) app.signals.taskReceived.connect(({ request }) => listener(request.args[0]));
          else seenStarts.onStart = listener;
          const concurrency = Number(process.env.BENCH_CONCURRENCY ?? 100);
          const worker = new Worker(app, { concurrency, ...options });
          await worker.start();
          return {
            async settled() {
              await until(async () => {
                const { ready, scheduled, claimed } = await transport.size(queue);
                return ready + scheduled + claimed === 0;
              });
            },
            stop: () => worker.stop(),
          };
        },
        async counts() {
          const { ready, scheduled } = await transport.size(queue);
          return { waiting: ready + scheduled, done: await resultsIn(backend) };
        },
        close: () => app.close(),
      };
    },
  };
}

/** Null where they cannot be counted from outside. */
async function resultsIn(backend) {
  return backend?.startsWith('redis:') ? await resultsInRedis(backend) : null;
}
