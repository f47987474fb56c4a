// Records runs: those that are recorded while a write is under way make the next write.
import { SerialBatcher } from '../lib/batch.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import type { RunRecord, ScheduleStore } from '../stores/schedule-store.ts';

interface Pending {
  readonly fence: number;
  readonly run: RunRecord;
  readonly done: Deferred<'recorded' | 'fenced'>;
}

/** How many runs one write has at most. */
const maxRuns = 500;

export class RunRecorder {
  readonly #store: ScheduleStore;
  readonly #batcher = new SerialBatcher<Pending>((queue) => this.#write(queue));

  constructor(store: ScheduleStore) {
    this.#store = store;
  }

  record(fence: number, run: RunRecord): Promise<'recorded' | 'fenced'> {
    const done = deferred<'recorded' | 'fenced'>();
    this.#batcher.add({ fence, run, done });
    return done.promise;
  }

  /** Writes the first runs that have the same fence. */
  async #write(queue: Pending[]): Promise<void> {
    const fence = queue[0]?.fence ?? 0;
    const end = queue.findIndex((pending, index) => pending.fence !== fence || index === maxRuns);
    const batch = queue.splice(0, end < 0 ? queue.length : end);
    try {
      const outcome = await this.#store.record(
        fence,
        batch.map(({ run }) => run),
      );
      for (const { done } of batch) done.resolve(outcome);
    } catch (error) {
      for (const { done } of batch) done.reject(error);
    }
  }
}
