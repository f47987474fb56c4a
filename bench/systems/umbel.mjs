// Ours, as a user has it: the built package on the embedded store, results kept, `synchronous=FULL` with group commit.
import { App } from '../../dist/index.js';
import { Worker } from '../../dist/worker/worker.js';

export function umbel() {
  return {
    async open(file) {
      let onStart = () => {};
      const app = new App('bench', { broker: `sqlite://${file}`, backend: `sqlite://${file}` });
      const noop = app.task('bench.noop', (data) => {
        onStart(data);
      });
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
        /** Sends one and waits for its result. */
        async result(data) {
          const result = await noop.delay(data);
          await result.get({ timeout: 10 });
        },
        async work(listener) {
          onStart = listener;
          const worker = new Worker(app, { concurrency: 100 });
          await worker.start();
          return {
            async settled() {
              for (;;) {
                const { ready, scheduled, claimed } = await transport.size('celery');
                if (ready + scheduled + claimed === 0) return;
                await new Promise((done) => setTimeout(done, 1));
              }
            },
            stop: () => worker.stop(),
          };
        },
        close: () => app.close(),
      };
    },
  };
}
