// What a worker is told by its options, and what by the settings of its application.
import { expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { resolveWorkerOptions } from '../../src/worker/resolve-options.ts';
import type { WorkerOptions } from '../../src/worker/worker.ts';

function resolved(settings: AppOptions, options: WorkerOptions = {}) {
  return resolveWorkerOptions(new App('shop', { broker: 'memory://', ...settings }), options);
}

it('the settings of the application say what the options leave open', () => {
  const settings = {
    workerPool: 'prefork',
    workerMaxTasksPerChild: 100,
    workerMaxMemoryPerChild: 200_000,
    workerAutoscale: { max: 10, min: 2 },
  } as const;
  expect(resolved(settings, { module: './app.ts' })).toMatchObject({
    pool: 'processes',
    maxTasksPerChild: 100,
    maxMemoryPerChild: 200_000 * 1024,
    autoscale: { max: 10, min: 2 },
    concurrency: 2,
  });
  const options = {
    pool: 'async',
    maxTasksPerChild: 5,
    maxMemoryPerChild: 1,
    autoscale: { max: 4, min: 1 },
  } as const;
  expect(resolved(settings, options)).toMatchObject({ ...options, maxMemoryPerChild: 1024 });
});

it("Celery's spelling is understood", () => {
  const settings = { worker_pool: 'threads', worker_max_tasks_per_child: 7, worker_concurrency: 3 } as const;
  expect(resolved(settings, { module: './app.ts' })).toMatchObject({
    pool: 'threads',
    maxTasksPerChild: 7,
    concurrency: 3,
  });
});

it('a number of places that is said to a worker goes before the bounds that are said for all', () => {
  const settings = { workerAutoscale: { max: 10, min: 2 } };
  expect(resolved(settings, { concurrency: 5 })).toMatchObject({ concurrency: 5, autoscale: null });
});

it('what cannot be meant is an error that says the way out', () => {
  const wrong = (settings: object): string => {
    try {
      resolved(settings);
    } catch (error) {
      return String(error);
    }
    return 'no error';
  };
  expect(wrong({ workerPool: 'gevent' })).toContain("use 'async'");
  expect(wrong({ workerPool: 'thread' })).toContain("did you mean 'threads'?");
  expect(wrong({ workerAutoscale: { max: 1, min: 2 } })).toContain(
    "'workerAutoscale' takes two whole numbers",
  );
  expect(wrong({ worker_max_tasks_per_child: 0 })).toContain(
    "'worker_max_tasks_per_child' must be a whole number",
  );
  expect(wrong({ worker_autoscaler: 'x' })).toContain('workerAutoscale');
  expect(wrong({ workerPool: 'processes' })).toContain('module: import.meta.url');
});
