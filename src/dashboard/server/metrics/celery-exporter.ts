// The metrics of celery-exporter, with the same names and labels, so that its Grafana boards and alerts keep working.
import type { ClusterState, WorkerState } from '../../../events/cluster-state.ts';
import { MetricRegistry } from '../../../lib/prometheus.ts';
import type { WireEvent } from '../../../protocol/event.ts';

interface ExporterOptions {
  /** Upper bounds of the histograms, seconds, ascending. */
  readonly buckets: readonly number[];
  /** Workers that are not forgotten. */
  workers(): readonly WorkerState[];
}

/** Maximum number of label combinations of one metric. */
const maxSeries = 20_000;
const ofTask = ['name', 'hostname', 'queue_name'];

const helps = {
  'task-sent': 'Tasks that were sent.',
  'task-received': 'Tasks that a worker received.',
  'task-started': 'Runs that began.',
  'task-succeeded': 'Runs that succeeded.',
  'task-failed': 'Runs that failed for good.',
  'task-rejected': 'Tasks that a worker rejected.',
  'task-revoked': 'Tasks that were revoked.',
  'task-retried': 'Runs that failed and are retried.',
} as const;
type Counted = keyof typeof helps;

export class CeleryExporterMetrics {
  readonly #cluster: ClusterState;
  readonly #workers: () => readonly WorkerState[];
  readonly #registry = new MetricRegistry(maxSeries);
  readonly #counters: ReadonlyMap<string, ReturnType<MetricRegistry['counter']>>;
  readonly #runtimes: ReturnType<MetricRegistry['histogram']>;
  readonly #waits: ReturnType<MetricRegistry['histogram']>;

  constructor(cluster: ClusterState, { buckets, workers }: ExporterOptions) {
    this.#cluster = cluster;
    this.#workers = workers;
    const registry = this.#registry;
    this.#counters = new Map(
      (Object.keys(helps) as Counted[]) // its own keys
        .map((type) => [
          type,
          registry.counter(`celery_${type.replace('-', '_')}_total`, helps[type], labelsOf(type)),
        ]),
    );
    this.#runtimes = registry.histogram(
      'celery_task_runtime',
      'Run time of tasks that succeeded.',
      ofTask,
      buckets,
    );
    this.#waits = registry.histogram(
      'celery_task_queue_wait_time',
      'Time from sending, or from the ETA, to the start. Needs the event task-sent.',
      ofTask,
      buckets,
    );
    const byHost = (value: (all: readonly WorkerState[]) => number) => () =>
      [...groupedByHost(workers())].map(([host, all]) => [value(all), [host]] as const);
    registry.gauge(
      'celery_worker_up',
      'Whether a worker of the host sends heartbeats.',
      ['hostname'],
      byHost((all) => (all.some((worker) => cluster.isAlive(worker)) ? 1 : 0)),
    );
    registry.gauge(
      'celery_worker_tasks_active',
      'Tasks that the workers of the host run.',
      ['hostname'],
      byHost((all) => all.reduce((sum, worker) => sum + (cluster.isAlive(worker) ? worker.active : 0), 0)),
    );
  }

  /** Call it after the cluster's state has recorded the event. */
  add({ type, hostname, uuid, runtime, exception }: WireEvent): void {
    const counter = this.#counters.get(type);
    if (counter === undefined || typeof uuid !== 'string') return;
    const task = this.#cluster.task(uuid);
    const labels = [task?.name ?? '', hostOf(hostname), task?.queue ?? 'celery'] as const;
    // A series that begins at 0 has a rate from its first count on. Senders have only the series of what they send.
    if (type === 'task-received')
      for (const [other, each] of this.#counters)
        if (other === 'task-failed') each.touch(...labels, '');
        else if (other !== 'task-sent') each.touch(...labels);
    if (type === 'task-failed') counter.add(...labels, exceptionName(String(exception ?? '')));
    else counter.add(...labels);
    if (type === 'task-succeeded' && typeof runtime === 'number') this.#runtimes.observe(runtime, ...labels);
    if (type === 'task-started' && task?.sent != null && task.started !== null) {
      const eta = task.eta === null ? Number.NaN : Date.parse(task.eta) / 1000;
      const from = Number.isNaN(eta) ? task.sent : Math.max(task.sent, eta);
      this.#waits.observe(Math.max(0, task.started - from), ...labels);
    }
  }

  text(): string {
    this.#forget();
    return this.#registry.text();
  }

  /** Removes the series of hosts whose workers are all forgotten. Series of senders stay. */
  #forget(): void {
    const kept = new Set(this.#workers().map(({ hostname }) => hostOf(hostname)));
    const known = new Set(this.#cluster.workers.map(({ hostname }) => hostOf(hostname)));
    const isGone = ([, host = '']: readonly string[]): boolean => known.has(host) && !kept.has(host);
    if (kept.size === known.size) return;
    for (const [type, counter] of this.#counters) if (type !== 'task-sent') counter.forget(isGone);
    for (const histogram of [this.#runtimes, this.#waits]) histogram.forget(isGone);
  }
}

function labelsOf(type: Counted): readonly string[] {
  return type === 'task-failed' ? [...ofTask, 'exception'] : ofTask;
}

/** The host in `worker@host`: the exporter's label. */
function hostOf(node: string): string {
  return node.slice(node.indexOf('@') + 1);
}

function groupedByHost(workers: readonly WorkerState[]): ReadonlyMap<string, readonly WorkerState[]> {
  const byHost = new Map<string, WorkerState[]>();
  for (const worker of workers) {
    const host = hostOf(worker.hostname);
    byHost.set(host, [...(byHost.get(host) ?? []), worker]);
  }
  return byHost;
}

/** `ValueError` of `ValueError('no good')`. */
function exceptionName(repr: string): string {
  return /^[\w$.]+/.exec(repr)?.[0] ?? 'UnknownException';
}
