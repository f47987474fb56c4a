// Flower's API, with its paths and formats, so that existing scripts keep working.
import { type Context, Hono } from 'hono';
import type { WorkerState } from '../../../events/cluster-state.ts';
import { Problem } from '../../../http/problem.ts';
import { answerError, loggedProblem } from '../../../http/requests.ts';
import { withDeadline } from '../../../lib/deadline.ts';
import { metricsType } from '../../../lib/prometheus.ts';
import type { DashboardContext, DashboardEnv } from '../context.ts';
import { CeleryExporterMetrics } from '../metrics/celery-exporter.ts';
import { QueueMetrics } from '../metrics/queue-metrics.ts';
import { needs } from '../roles.ts';
import { FlowerMetrics } from './metrics.ts';
import { queueLengths } from './queues.ts';
import type { FlowerRoute, FlowerState } from './route.ts';
import { sendRoutes } from './send.ts';
import { taskControlRoutes } from './task-control.ts';
import { taskRoutes } from './tasks.ts';
import { WorkerRecords } from './worker-records.ts';
import { workerRoutes } from './workers.ts';

const routes: readonly FlowerRoute[] = [
  ...workerRoutes,
  ...taskRoutes,
  ...sendRoutes,
  ...taskControlRoutes,
  queueLengths,
];

export function flowerRoutes(context: DashboardContext): Hono<DashboardEnv> {
  const { cluster, settings } = context;
  const metrics = new FlowerMetrics(cluster, {
    buckets: settings.taskRuntimeMetricBuckets,
    forgetAfter: settings.purgeOfflineWorkers,
  });
  const exporter = new CeleryExporterMetrics(cluster, {
    buckets: settings.taskRuntimeMetricBuckets,
    workers: () => metrics.workers,
  });
  const queues = new QueueMetrics(context.app, context.fleet);
  context.onEvent((event) => {
    metrics.add(event);
    exporter.add(event);
  });
  const flower: FlowerState = { context, metrics, workers: new WorkerRecords(context, metrics) };
  const router = new Hono<DashboardEnv>();
  for (const { method, path, right, handle } of routes) {
    if (right !== undefined) router.use(path, needs(right, context));
    router.on(method, path, async (request) => {
      await firstAttempt(context);
      return handle(request, flower);
    });
    router.all(path, ({ req }) => {
      throw new Problem(405, `this path does not support ${req.method}, only ${method}`, {
        headers: { Allow: method === 'GET' ? 'GET, HEAD' : method },
      });
    });
  }
  router.get('/metrics', async (request) =>
    request.body(metrics.text() + exporter.text() + (await queues.text()), 200, {
      'Content-Type': metricsType,
      'Cache-Control': 'no-store',
    }),
  );
  // Without `json` this path is a page.
  router.get('/workers', async (request, next) => {
    if (request.req.query('json') === undefined) return next();
    return request.json({ data: metrics.workers.map((worker) => workerRow(worker, context, metrics)) });
  });
  router.onError((error, request) => failed(request, error, context));
  return router;
}

/** How long a program waits for a broker that is connected and does not answer, milliseconds; then it is told what is known. */
const firstAttemptMs = 4_000;

async function firstAttempt(context: DashboardContext): Promise<void> {
  const tooLong = (): Error => new Error('the broker has not answered yet');
  await withDeadline(firstAttemptMs, context.firstAttempt, tooLong).catch(() => undefined);
}

/** A row of Flower's table of workers. */
function workerRow(worker: WorkerState, { cluster }: DashboardContext, metrics: FlowerMetrics): object {
  const { hostname, pid, freq, clock, active, processed, loadavg, timestamp, software } = worker;
  const [ident = '', version = '', system = ''] = software.split(' ');
  return {
    ...metrics.countsOf(hostname),
    hostname,
    pid,
    freq,
    heartbeats: [timestamp],
    clock,
    active,
    processed,
    loadavg,
    sw_ident: ident,
    sw_ver: version,
    sw_sys: system,
    status: cluster.isAlive(worker),
  };
}

/** A line of text, as in Flower; a problem document if the client accepts JSON. */
function failed(request: Context<DashboardEnv>, error: unknown, { settings }: DashboardContext): Response {
  if (request.req.header('accept')?.includes('json')) return answerError(request, error, settings.logger);
  const { status, message, headers } = loggedProblem(request, error, settings.logger);
  return request.body(
    message,
    status as 500, // any status: hono's type lists the statuses that it knows
    { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store', ...headers },
  );
}
