// Keeping what became of runs: what was asked for while the last write was under way makes the next.
import { type Deferred, deferred } from '../lib/deferred.ts';
import type { RunRecord, ScheduleStore } from '../stores/schedule-store.ts';

interface Pending {
  readonly fence: number;
  readonly run: RunRecord;
  readonly done: Deferred<'recorded' | 'fenced'>;
}

/** What one write holds. */
const most = 500;

export class Recorder {
  readonly #store: ScheduleStore;
  #queue: Pending[] = [];
  #writing = false;

  constructor(store: ScheduleStore) {
    this.#store = store;
  }

  record(fence: number, run: RunRecord): Promise<'recorded' | 'fenced'> {
    const done = deferred<'recorded' | 'fenced'>();
    this.#queue.push({ fence, run, done });
    if (!this.#writing) void this.#write();
    return done.promise;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    // What is asked for in this turn of the event loop goes together.
    await new Promise<void>((resume) => setImmediate(resume));
    while (this.#queue.length > 0) {
      const fence = this.#queue[0]?.fence ?? 0;
      const end = this.#queue.findIndex((pending, index) => pending.fence !== fence || index === most);
      const batch = this.#queue.splice(0, end < 0 ? this.#queue.length : end);
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
    this.#writing = false;
  }
}
