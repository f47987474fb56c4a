import type { StoreWrite } from '../lib/store-write.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import type { ResultBackend, ResultBackendFeatures } from '../results/backend.ts';

/** Holds the one record of a call that was run in place, so that its result is asked for like any other. */
export class EagerBackend implements ResultBackend {
  readonly name = 'eager';
  readonly features: ResultBackendFeatures = {
    multiProcess: false,
    remembersSent: false,
    sweeps: false,
    chords: false,
  };
  readonly store: object = this;
  #record: ResultRecord | undefined;

  constructor(record: ResultRecord) {
    this.#record = record;
  }

  async put(record: ResultRecord): Promise<void> {
    this.#record = record;
  }

  writeOf(record: ResultRecord): StoreWrite {
    return {
      store: this,
      apply: () => {
        this.#record = record;
        return true;
      },
    };
  }

  writeOfSent(): StoreWrite {
    return { store: this, apply: () => this.#record === undefined };
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    return this.#record?.taskId === id ? this.#record : undefined;
  }

  async *watch(id: string): AsyncIterable<ResultRecord> {
    const record = await this.get(id);
    if (record !== undefined) yield record;
  }

  async forget(id: string): Promise<boolean> {
    if (this.#record?.taskId !== id) return false;
    this.#record = undefined;
    return true;
  }

  async expire(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
