// A worker's own metrics, for Prometheus: what it ran, how long that took and waited, and how its process does.
import { ProcessMetrics } from '../lib/process-metrics.ts';
import { type Measurements, MetricRegistry } from '../lib/prometheus.ts';
import { timeOfId } from '../lib/uuid.ts';
import type { Rejection } from './admission/admission.ts';
import type { ExecutionOutcome } from './outcome.ts';
import type { Run } from './run.ts';
import type { SettleResult } from './settler.ts';

/** What a worker shows of itself at each scrape. */
export interface MeasuredWorker {
  readonly slots: number;
  /** Tasks whose code runs. */
  readonly running: number;
  /** Messages that are claimed, and neither settled nor given back. */
  readonly held: number;
  readonly isConnected: boolean;
}

/** Seconds. Those of Celery's exporters, and three more for long tasks. */
const buckets = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 1800,
];
const ofTask = ['task', 'queue'];

export class WorkerMetrics implements Measurements {
  readonly #registry = new MetricRegistry();
  readonly #received = this.#registry.counter(
    'umbel_worker_tasks_received_total',
    'Messages whose task began.',
    ofTask,
  );
  readonly #ended = this.#registry.counter(
    'umbel_worker_tasks_ended_total',
    'Runs that ended and are settled, by outcome.',
    [...ofTask, 'outcome'],
  );
  readonly #notRun = this.#registry.counter(
    'umbel_worker_messages_not_run_total',
    'Messages that were settled without a run, by reason.',
    ['queue', 'reason'],
  );
  readonly #unsettled = this.#registry.counter(
    'umbel_worker_tasks_unsettled_total',
    'Runs and rejections that could not be settled: another worker has or gets the message.',
    ['task', 'reason'],
  );
  readonly #redelivered = this.#registry.counter(
    'umbel_worker_tasks_after_crash_total',
    'Runs of messages whose earlier owner died.',
    ofTask,
  );
  readonly #runtime = this.#registry.histogram(
    'umbel_worker_task_runtime_seconds',
    'How long the code of a task ran.',
    ofTask,
    buckets,
  );
  readonly #wait = this.#registry.histogram(
    'umbel_worker_task_wait_seconds',
    'From the call, or the time for which it was asked, to the first run. Not of calls by Python, tasks and workflows.',
    ofTask,
    buckets,
  );
  readonly #process: ProcessMetrics;

  constructor(state: () => MeasuredWorker) {
    const add = (name: string, help: string, read: () => number): void =>
      this.#registry.gauge(name, help, [], read);
    add('umbel_worker_slots', 'Tasks that it takes at a time.', () => state().slots);
    add('umbel_worker_tasks_running', 'Tasks whose code runs.', () => state().running);
    add('umbel_worker_messages_held', 'Messages that it has claimed and not settled.', () => state().held);
    add('umbel_worker_broker_connected', '1: the broker is there.', () => (state().isConnected ? 1 : 0));
    this.#process = new ProcessMetrics(this.#registry, 'umbel_worker');
  }

  start(): void {
    this.#process.start();
  }

  stop(): void {
    this.#process.stop();
  }

  text(): string {
    return this.#registry.text();
  }

  /** A task begins. */
  received({ message, delivery }: Run, nowMs: number): void {
    const { task, id, rootId, eta, retries } = message;
    this.#received.add(task, delivery.queue);
    if (delivery.crashes > 0) this.#redelivered.add(task, delivery.queue);
    // The id of a later task of a workflow is older than its message.
    const calledMs = rootId === id ? timeOfId(id) : null;
    if (calledMs === null || retries > 0 || delivery.redelivered) return;
    const waitedMs = nowMs - Math.max(calledMs, eta?.getTime() ?? 0);
    this.#wait.observe(Math.max(0, waitedMs) / 1000, task, delivery.queue);
  }

  ended({ message, delivery, runtimeMs }: Run, { kind }: ExecutionOutcome): void {
    this.#ended.add(message.task, delivery.queue, kind);
    this.#runtime.observe(runtimeMs / 1000, message.task, delivery.queue);
  }

  notRun(queue: string, { kind }: Rejection): void {
    this.#notRun.add(queue, kind);
  }

  unsettled(task: string, how: Exclude<SettleResult, 'settled'>): void {
    this.#unsettled.add(task, how);
  }
}
