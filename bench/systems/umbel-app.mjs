// The application of the measured worker: a module of its own, since the children of a pool load it again.
import { App } from '../../dist/index.js';

const {
  BENCH_BROKER: broker,
  BENCH_BACKEND: backend,
  BENCH_QUEUE: taskDefaultQueue = 'celery',
  BENCH_HISTORY: taskHistory = 'auto',
} = process.env;

export const app = new App('bench', {
  broker,
  backend: backend === 'none' ? null : backend,
  taskDefaultQueue,
  taskHistory,
});

/** Who listens to the tasks that run here. */
export const seenStarts = { onStart: () => {} };

export const noop = app.task('bench.noop', (data) => {
  seenStarts.onStart(data);
});
