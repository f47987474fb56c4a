// The peer: plainjob 0.0.14 on better-sqlite3. It keeps no results, runs one job at a time for each worker, and waits by polling.
import Database from 'better-sqlite3';
import { better, defineQueue, defineWorker } from 'plainjob';

const quiet = { debug() {}, info() {}, warn: console.warn, error: console.error };
/** Its default is 1,000; with that its idle latency is what its poll is, half a second. */
const pollMs = 10;

/** @param {{ fsync: boolean }} options `fsync: false` is its own default, `synchronous=NORMAL`: no flush for a commit. */
export function plainjob({ fsync }) {
  return {
    async open(file) {
      const connection = better(new Database(file));
      const queue = defineQueue({ connection, logger: quiet });
      if (fsync) connection.pragma('synchronous = FULL');
      return {
        async send(data) {
          queue.add('noop', data);
        },
        async sendMany(count) {
          const chunk = 1000;
          for (let sent = 0; sent < count; sent += chunk)
            queue.addMany(
              'noop',
              Array.from({ length: Math.min(chunk, count - sent) }, () => ({ at: 0 })),
            );
        },
        sendAt: null,
        result: null,
        /** Calls `onStart` with the data of each job; resolves with a function that stops it. */
        async work(onStart) {
          // Its loop never gives way to the event loop while there are jobs: so must we, or nothing is heard.
          const worker = defineWorker('noop', async (job) => onStart(JSON.parse(job.data)), {
            queue,
            logger: quiet,
            pollIntervall: pollMs,
          });
          const running = worker.start();
          return {
            async settled(count) {
              while (queue.countJobs({ type: 'noop', status: 2 }) < count)
                await new Promise((done) => setTimeout(done, 1));
            },
            async stop() {
              await worker.stop();
              await running;
            },
          };
        },
        async counts() {
          return {
            waiting: queue.countJobs({ type: 'noop', status: 0 }),
            done: queue.countJobs({ type: 'noop', status: 2 }),
          };
        },
        async close() {
          queue.close();
        },
      };
    },
  };
}
