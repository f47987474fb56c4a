// A beat's own metrics, for Prometheus: what it sent and how late, whether it leads, and how its process does.
import { ProcessMetrics } from '../lib/process-metrics.ts';
import { type Measurements, MetricRegistry } from '../lib/prometheus.ts';
import type { RunRecord } from '../stores/schedule-store.ts';

/** What a beat shows of itself at each scrape. */
export interface MeasuredBeat {
  readonly leads: boolean;
  /** The schedules that it has in hand; 0 while it stands by. */
  readonly schedules: number;
  readonly isConnected: boolean;
}

/** Seconds. */
const buckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

export class BeatMetrics implements Measurements {
  readonly #registry = new MetricRegistry();
  readonly #runs = this.#registry.counter(
    'umbel_beat_runs_total',
    'Runs of schedules, by outcome. Runs that were skipped together count once.',
    ['schedule', 'outcome'],
  );
  readonly #lateness = this.#registry.histogram(
    'umbel_beat_run_lateness_seconds',
    'From the time at which a run was due to the time at which it was sent.',
    [],
    buckets,
  );
  readonly #process: ProcessMetrics;

  constructor(state: () => MeasuredBeat) {
    const add = (name: string, help: string, read: () => number): void =>
      this.#registry.gauge(name, help, [], read);
    add('umbel_beat_leads', '1: this beat sends; 0: it stands by.', () => (state().leads ? 1 : 0));
    add('umbel_beat_schedules', 'Schedules of the beat that leads.', () => state().schedules);
    add('umbel_beat_store_connected', '1: the store of schedules answers.', () =>
      state().isConnected ? 1 : 0,
    );
    this.#process = new ProcessMetrics(this.#registry, 'umbel_beat');
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

  /** A run is recorded. */
  ran({ name, outcome, dueMs, atMs }: RunRecord): void {
    this.#runs.add(name, outcome);
    if (outcome === 'sent') this.#lateness.observe(Math.max(0, atMs - dueMs) / 1000);
  }
}
