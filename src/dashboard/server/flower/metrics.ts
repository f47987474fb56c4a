// Flower's metrics in the text format of Prometheus: the same names and labels, so that its boards and alerts go on.
import type { ClusterState, WorkerState } from '../../../events/cluster-state.ts';
import type { WireEvent } from '../../../protocol/event.ts';

interface MetricsOptions {
  /** Upper bounds of the histogram of run times, seconds, ascending. */
  readonly buckets: readonly number[];
  /** Workers that were silent for so many seconds are forgotten; null: never. */
  readonly forgetAfter: number | null;
}

/** Different sets of labels of one metric: what comes above that is not counted. */
const mostSeries = 20_000;
/** Tasks that were received and did not begin. */
const mostWaiting = 100_000;

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

interface Labels {
  readonly worker: string;
  readonly task: string;
  readonly type?: string;
}

interface Series<Value> {
  readonly labels: Labels;
  value: Value;
}

type Family<Value> = Map<string, Series<Value>>;

export class FlowerMetrics {
  readonly #cluster: ClusterState;
  readonly #options: MetricsOptions;
  readonly #events: Family<number> = new Map();
  readonly #runtimes: Family<Histogram> = new Map();
  readonly #prefetchTimes: Family<number> = new Map();
  readonly #prefetched: Family<number> = new Map();
  /** By the id of the task. */
  readonly #waiting = new Map<string, { readonly labels: Labels; readonly at: number }>();
  /** Of all types, by worker. */
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(cluster: ClusterState, options: MetricsOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** To be called when `cluster` has the event. */
  add(event: WireEvent): void {
    const { type, hostname, timestamp, uuid, runtime } = event;
    this.#count(hostname, type);
    if (!type.startsWith('task-') || typeof uuid !== 'string') return;
    const task = this.#cluster.task(uuid);
    // A process that sends has a name of its own, with its number, which would make a series for each.
    const labels = { worker: hostname.replace(/^gen\d+@/, 'gen@'), task: task?.name ?? '' };
    const events = seriesOf(this.#events, { ...labels, type }, () => 0);
    if (events !== null) events.value++;
    if (typeof runtime === 'number' && runtime > 0) this.#observe(labels, runtime);
    if (type === 'task-received' && (task?.eta ?? null) === null) this.#received(uuid, labels, timestamp);
    else if (type !== 'task-received' && type !== 'task-sent') this.#begun(uuid, labels, event);
  }

  /** How many events of each type the worker has told. */
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
    const { workers } = this;
    this.#forget(workers);
    const lines: string[] = [];
    const family = (name: string, type: string, help: string): void => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    };
    const gauges = (name: string, help: string, of: Family<number>): void => {
      family(name, 'gauge', help);
      for (const { labels, value } of of.values()) lines.push(`${name}${written(labels)} ${value}`);
    };
    family('flower_events_total', 'counter', 'Number of events');
    for (const { labels, value } of this.#events.values())
      lines.push(`flower_events_total${written(labels)} ${value}`);
    family('flower_task_runtime_seconds', 'histogram', 'Task runtime');
    for (const { labels, value } of this.#runtimes.values()) {
      const bounds = [...this.#options.buckets.map(bound), '+Inf'];
      let below = 0;
      for (const [index, le] of bounds.entries()) {
        below += value.counts[index] ?? 0;
        lines.push(`flower_task_runtime_seconds_bucket${written({ ...labels, le })} ${below}`);
      }
      lines.push(`flower_task_runtime_seconds_count${written(labels)} ${value.count}`);
      lines.push(`flower_task_runtime_seconds_sum${written(labels)} ${value.sum}`);
    }
    gauges(
      'flower_task_prefetch_time_seconds',
      'The time the task spent waiting at the celery worker to be executed.',
      this.#prefetchTimes,
    );
    gauges(
      'flower_worker_prefetched_tasks',
      'Number of tasks of given type prefetched at a worker',
      this.#prefetched,
    );
    family('flower_worker_online', 'gauge', 'Worker online status');
    for (const worker of workers)
      lines.push(
        `flower_worker_online${written({ worker: worker.hostname })} ${this.#cluster.isAlive(worker) ? 1 : 0}`,
      );
    const executing = 'flower_worker_number_of_currently_executing_tasks';
    family(executing, 'gauge', 'Number of tasks currently executing at a worker');
    for (const { hostname, active } of workers)
      lines.push(`${executing}${written({ worker: hostname })} ${active}`);
    return `${lines.join('\n')}\n`;
  }

  #count(worker: string, type: string): void {
    const known = this.#counts.get(worker);
    if (known === undefined && this.#counts.size >= mostSeries) return;
    const counts = known ?? new Map<string, number>();
    this.#counts.set(worker, counts);
    if (counts.has(type) || counts.size < 100) counts.set(type, (counts.get(type) ?? 0) + 1);
  }

  #observe(labels: Labels, seconds: number): void {
    const { buckets } = this.#options;
    const series = seriesOf(this.#runtimes, labels, () => ({
      counts: new Array<number>(buckets.length + 1).fill(0),
      sum: 0,
      count: 0,
    }));
    if (series === null) return;
    const at = buckets.findIndex((most) => seconds <= most);
    const { value } = series;
    const index = at < 0 ? buckets.length : at;
    value.counts[index] = (value.counts[index] ?? 0) + 1;
    value.sum += seconds;
    value.count++;
  }

  #received(uuid: string, labels: Labels, at: number): void {
    const known = this.#waiting.get(uuid);
    if (known !== undefined) this.#add(known.labels, -1);
    this.#waiting.set(uuid, { labels, at });
    this.#add(labels, 1);
    const [oldest] = this.#waiting;
    if (this.#waiting.size <= mostWaiting || oldest === undefined) return;
    this.#waiting.delete(oldest[0]);
    this.#add(oldest[1].labels, -1);
  }

  #begun(uuid: string, labels: Labels, { type, timestamp }: WireEvent): void {
    const waited = this.#waiting.get(uuid);
    if (waited !== undefined) {
      this.#waiting.delete(uuid);
      this.#add(waited.labels, -1);
    }
    if (type === 'task-started' && waited !== undefined) {
      const time = seriesOf(this.#prefetchTimes, labels, () => 0);
      if (time !== null) time.value = Math.max(0, timestamp - waited.at);
    } else if (type === 'task-succeeded' || type === 'task-failed') {
      const time = this.#prefetchTimes.get(keyOf(labels));
      if (time !== undefined) time.value = 0;
    }
  }

  #add(labels: Labels, n: 1 | -1): void {
    const series = seriesOf(this.#prefetched, labels, () => 0);
    if (series !== null) series.value += n;
  }

  /** Series of workers that are gone; those of senders stay. */
  #forget(workers: readonly WorkerState[]): void {
    if (this.#options.forgetAfter === null) return;
    const kept = new Set(workers.map(({ hostname }) => hostname));
    const isGone = (worker: string): boolean =>
      this.#cluster.worker(worker) !== undefined && !kept.has(worker);
    for (const family of [this.#events, this.#runtimes, this.#prefetchTimes, this.#prefetched])
      for (const [key, { labels }] of family) if (isGone(labels.worker)) family.delete(key);
    for (const worker of this.#counts.keys()) if (isGone(worker)) this.#counts.delete(worker);
  }
}

/** Null: there are too many. */
function seriesOf<Value>(family: Family<Value>, labels: Labels, first: () => Value): Series<Value> | null {
  const key = keyOf(labels);
  const known = family.get(key);
  if (known !== undefined) return known;
  if (family.size >= mostSeries) return null;
  const series = { labels, value: first() };
  family.set(key, series);
  return series;
}

function keyOf({ worker, task, type = '' }: Labels): string {
  return `${worker}\0${task}\0${type}`;
}

function written(labels: object): string {
  const parts = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${String(value).replace(/["\\\n]/g, (sign) => (sign === '\n' ? '\\n' : `\\${sign}`))}"`,
  );
  return `{${parts.join(',')}}`;
}

/** As Python writes a number: `1.0`. */
function bound(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
