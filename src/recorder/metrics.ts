// A recorder's own metrics, for Prometheus: what it read and wrote, how far it is behind, and how large the history is.
import { ProcessMetrics } from '../lib/process-metrics.ts';
import { type Measurements, MetricRegistry } from '../lib/prometheus.ts';

/** What a recorder shows of itself at each scrape. */
export interface MeasuredRecorder {
  /** Until when the history has all that was told, milliseconds since 1970; null: it has not begun. */
  readonly writtenUntil: number | null;
  /** Events that were received and are not written yet. */
  readonly buffered: number;
  /** The last write of the history succeeded. */
  readonly isWritten: boolean;
}

/** What costs the store work to tell: measured now and then. */
interface MeasuredHistory {
  readonly tasks: number;
  readonly bytes: number;
  readonly gaps: number;
  /** Entries that wait in the broker's stream. */
  readonly waiting: number;
}

export class RecorderMetrics implements Measurements {
  readonly #registry = new MetricRegistry();
  readonly #read = this.#registry.counter(
    'umbel_recorder_events_read_total',
    'Events of tasks that were read, by where they came from.',
    ['source'],
  );
  readonly #written = this.#registry.counter(
    'umbel_recorder_tasks_written_total',
    'Tasks of which news were written; events of one task that come together count once.',
  );
  readonly #lost = this.#registry.counter(
    'umbel_recorder_events_lost_total',
    'Events that are missing: dropped from a full stream, or received while too many waited for the history.',
    ['reason'],
  );
  readonly #process: ProcessMetrics;
  #history: MeasuredHistory | null = null;

  constructor(state: () => MeasuredRecorder) {
    const add = (name: string, help: string, read: () => number): void =>
      this.#registry.gauge(name, help, [], read);
    add('umbel_recorder_lag_seconds', 'Age of the oldest event that may not be in the history yet.', () => {
      const { writtenUntil } = state();
      return writtenUntil === null ? 0 : Math.max(0, Date.now() - writtenUntil) / 1000;
    });
    add('umbel_recorder_events_buffered', 'Events that wait in the recorder.', () => state().buffered);
    add('umbel_recorder_store_connected', '1: the history can be written.', () =>
      state().isWritten ? 1 : 0,
    );
    this.#addMeasured('umbel_recorder_stream_waiting', 'Entries that wait in the broker.', 'waiting');
    this.#addMeasured('umbel_recorder_history_tasks', 'Tasks in the history.', 'tasks');
    this.#addMeasured('umbel_recorder_history_bytes', 'Size of the history.', 'bytes');
    this.#addMeasured('umbel_recorder_history_gaps', 'Times in the history when nobody recorded.', 'gaps');
    for (const source of ['stream', 'events']) this.#read.touch(source);
    for (const reason of ['dropped', 'overflow']) this.#lost.touch(reason);
    this.#written.touch();
    this.#process = new ProcessMetrics(this.#registry, 'umbel_recorder');
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

  read(source: 'stream' | 'events', events: number): void {
    this.#read.increase(events, source);
  }

  wrote(tasks: number): void {
    this.#written.increase(tasks);
  }

  /** `dropped`: entries of the stream; `overflow`: events for which there was no room in the recorder. */
  lost(reason: 'dropped' | 'overflow', events: number): void {
    this.#lost.increase(events, reason);
  }

  measured(history: MeasuredHistory): void {
    this.#history = history;
  }

  #addMeasured(name: string, help: string, key: keyof MeasuredHistory): void {
    this.#registry.gauge(name, help, [], () => (this.#history === null ? [] : [[this.#history[key], []]]));
  }
}
