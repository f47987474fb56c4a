// What a recorder does now and then: it deletes old tasks, and measures the history.
import { gapsBetween, shortestGap } from '../history/gaps.ts';
import type { Logger } from '../lib/logger.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { RecorderMetrics } from './metrics.ts';
import type { StreamReader } from './stream-reader.ts';

export interface UpkeepRules {
  /** How long a task is kept after its last event, milliseconds; null: for ever. */
  readonly keepMs: number | null;
  /** How many tasks are kept; null: no limit. */
  readonly keepTasks: number | null;
}

/** How many tasks one transaction deletes. */
const pruneStep = 200;

export class Upkeep {
  readonly #store: HistoryStore;
  readonly #rules: UpkeepRules;
  readonly #logger: Logger;
  readonly #stopping: AbortSignal;
  #running: Promise<void> | null = null;

  constructor(store: HistoryStore, rules: UpkeepRules, logger: Logger, stopping: AbortSignal) {
    this.#store = store;
    this.#rules = rules;
    this.#logger = logger;
    this.#stopping = stopping;
  }

  /** Begins a round, unless one is under way. `metrics`: null: nothing is measured. */
  run(reader: StreamReader | null, metrics: RecorderMetrics | null): void {
    this.#running ??= this.#prune()
      .then(() => (metrics === null || this.#stopping.aborted ? undefined : this.#measure(reader, metrics)))
      .catch((error: unknown) =>
        this.#logger.warn({ err: error }, `old tasks stay for now, or the history is not measured: ${error}`),
      )
      .finally(() => {
        this.#running = null;
      });
  }

  /** Resolves when the round that is under way has ended. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #prune(): Promise<void> {
    const { keepMs, keepTasks } = this.#rules;
    const retention = { updatedBefore: keepMs === null ? null : Date.now() - keepMs, maxTasks: keepTasks };
    while (!this.#stopping.aborted) {
      if ((await this.#store.prune(retention, pruneStep)) === 0) return;
      await new Promise((next) => setImmediate(next));
    }
  }

  async #measure(reader: StreamReader | null, metrics: RecorderMetrics): Promise<void> {
    const [{ tasks, bytes }, recordings] = await Promise.all([this.#store.size(), this.#store.recordings()]);
    const waiting = (await reader?.waiting()) ?? 0;
    metrics.measured({ tasks, bytes, gaps: gapsBetween(recordings, shortestGap).length, waiting });
  }
}
