// Flower's metrics in the text format of Prometheus, with the same names and labels, so that existing dashboards and alerts keep working.
import type { ClusterState, WorkerState } from '../../../events/cluster-state.ts';
import { MetricRegistry } from '../../../lib/prometheus.ts';
import type { WireEvent } from '../../../protocol/event.ts';

interface MetricsOptions {
  /** Upper bounds of the histogram of run times, seconds, ascending. */
  readonly buckets: readonly number[];
  /** Seconds without events after which a worker is forgotten; null: never. */
  readonly forgetAfter: number | null;
}

/** Maximum number of label combinations of one metric. */
const maxSeries = 20_000;
/** Maximum number of tasks that are received but not started. */
const maxWaiting = 100_000;

interface Labels {
  readonly worker: string;
  readonly task: string;
}

/** A gauge of tasks by worker. */
type Gauge = Map<string, { readonly labels: Labels; value: number }>;

export class FlowerMetrics {
  readonly #cluster: ClusterState;
  readonly #options: MetricsOptions;
  readonly #registry = new MetricRegistry(maxSeries);
  readonly #events = this.#registry.counter('flower_events_total', 'Number of events', [
    'worker',
    'task',
    'type',
  ]);
  readonly #runtimes: ReturnType<MetricRegistry['histogram']>;
  readonly #prefetchTimes: Gauge = new Map();
  readonly #prefetched: Gauge = new Map();
  /** Received tasks that are not started, by task id. */
  readonly #waiting = new Map<string, { readonly labels: Labels; readonly at: number }>();
  /** Events by worker and type. */
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(cluster: ClusterState, options: MetricsOptions) {
    this.#cluster = cluster;
    this.#options = options;
    const registry = this.#registry;
    const ofTask = ['worker', 'task'];
    this.#runtimes = registry.histogram(
      'flower_task_runtime_seconds',
      'Task runtime',
      ofTask,
      options.buckets,
    );
    registry.gauge(
      'flower_task_prefetch_time_seconds',
      'The time the task spent waiting at the celery worker to be executed.',
      ofTask,
      () => valuesOf(this.#prefetchTimes),
    );
    registry.gauge(
      'flower_worker_prefetched_tasks',
      'Number of tasks of given type prefetched at a worker',
      ofTask,
      () => valuesOf(this.#prefetched),
    );
    registry.gauge('flower_worker_online', 'Worker online status', ['worker'], () =>
      this.workers.map((worker) => [cluster.isAlive(worker) ? 1 : 0, [worker.hostname]]),
    );
    registry.gauge(
      'flower_worker_number_of_currently_executing_tasks',
      'Number of tasks currently executing at a worker',
      ['worker'],
      () => this.workers.map(({ hostname, active }) => [active, [hostname]]),
    );
  }

  /** Call it after `cluster` has recorded the event. */
  add(event: WireEvent): void {
    const { type, hostname, timestamp, uuid, runtime } = event;
    this.#count(hostname, type);
    if (!type.startsWith('task-') || typeof uuid !== 'string') return;
    const task = this.#cluster.task(uuid);
    // A sending process is named `gen<pid>@host`. Without the pid, all senders of a host are one series.
    const labels = { worker: hostname.replace(/^gen\d+@/, 'gen@'), task: task?.name ?? '' };
    this.#events.add(labels.worker, labels.task, type);
    if (typeof runtime === 'number' && runtime > 0)
      this.#runtimes.observe(runtime, labels.worker, labels.task);
    if (type === 'task-received' && (task?.eta ?? null) === null) this.#received(uuid, labels, timestamp);
    else if (type !== 'task-received' && type !== 'task-sent') this.#started(uuid, labels, event);
  }

  /** The number of events of each type that the worker sent. */
  countsOf(worker: string): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts.get(worker) ?? []);
  }

  /** Workers that are not forgotten. */
  get workers(): readonly WorkerState[] {
    const { forgetAfter } = this.#options;
    const oldest = forgetAfter === null ? 0 : Date.now() - forgetAfter * 1000;
    return this.#cluster.workers.filter(
      (worker) => worker.lastSeenAt >= oldest || this.#cluster.isAlive(worker),
    );
  }

  /** What `GET /metrics` answers. */
  text(): string {
    this.#forget();
    return this.#registry.text();
  }

  #count(worker: string, type: string): void {
    const known = this.#counts.get(worker);
    if (known === undefined && this.#counts.size >= maxSeries) return;
    const counts = known ?? new Map<string, number>();
    this.#counts.set(worker, counts);
    if (counts.has(type) || counts.size < 100) counts.set(type, (counts.get(type) ?? 0) + 1);
  }

  #received(uuid: string, labels: Labels, at: number): void {
    const known = this.#waiting.get(uuid);
    if (known !== undefined) this.#add(known.labels, -1);
    this.#waiting.set(uuid, { labels, at });
    this.#add(labels, 1);
    const [oldest] = this.#waiting;
    if (this.#waiting.size <= maxWaiting || oldest === undefined) return;
    this.#waiting.delete(oldest[0]);
    this.#add(oldest[1].labels, -1);
  }

  #started(uuid: string, labels: Labels, { type, timestamp }: WireEvent): void {
    const waited = this.#waiting.get(uuid);
    if (waited !== undefined) {
      this.#waiting.delete(uuid);
      this.#add(waited.labels, -1);
    }
    if (type === 'task-started' && waited !== undefined) {
      const time = seriesOf(this.#prefetchTimes, labels);
      if (time !== null) time.value = Math.max(0, timestamp - waited.at);
    } else if (type === 'task-succeeded' || type === 'task-failed') {
      const time = this.#prefetchTimes.get(keyOf(labels));
      if (time !== undefined) time.value = 0;
    }
  }

  #add(labels: Labels, n: 1 | -1): void {
    const series = seriesOf(this.#prefetched, labels);
    if (series !== null) series.value += n;
  }

  /** Removes the series of forgotten workers. Series of senders stay. */
  #forget(): void {
    if (this.#options.forgetAfter === null) return;
    const kept = new Set(this.workers.map(({ hostname }) => hostname));
    const isGone = (worker = ''): boolean => this.#cluster.worker(worker) !== undefined && !kept.has(worker);
    this.#events.forget(([worker]) => isGone(worker));
    this.#runtimes.forget(([worker]) => isGone(worker));
    for (const gauge of [this.#prefetchTimes, this.#prefetched])
      for (const [key, { labels }] of gauge) if (isGone(labels.worker)) gauge.delete(key);
    for (const worker of this.#counts.keys()) if (isGone(worker)) this.#counts.delete(worker);
  }
}

/** Null: the gauge has too many series. */
function seriesOf(gauge: Gauge, labels: Labels): { value: number } | null {
  const key = keyOf(labels);
  const known = gauge.get(key);
  if (known !== undefined) return known;
  if (gauge.size >= maxSeries) return null;
  const series = { labels, value: 0 };
  gauge.set(key, series);
  return series;
}

function keyOf({ worker, task }: Labels): string {
  return `${worker}\0${task}`;
}

function valuesOf(gauge: Gauge): (readonly [number, readonly string[]])[] {
  return [...gauge.values()].map(({ labels: { worker, task }, value }) => [value, [worker, task]] as const);
}
