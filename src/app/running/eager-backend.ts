import type { ResultRecord } from '../../protocol/result-meta.ts';
import type { ResultBackend, ResultBackendFeatures } from '../../stores/backend.ts';
import type { StoreWrite } from '../../stores/store-write.ts';

/** Holds the records of tasks that were run in place, so that their results are read like any others. */
export class EagerBackend implements ResultBackend {
  readonly name = 'eager';
  readonly features: ResultBackendFeatures = {
    multiProcess: false,
    remembersSent: false,
    sweeps: false,
    chords: false,
  };
  readonly store: object = this;
  readonly #records = new Map<string, ResultRecord>();

  constructor(...records: readonly ResultRecord[]) {
    for (const record of records) this.#records.set(record.taskId, record);
  }

  async put(record: ResultRecord): Promise<void> {
    this.#records.set(record.taskId, record);
  }

  writeOf(record: ResultRecord): StoreWrite {
    return {
      store: this,
      apply: () => {
        this.#records.set(record.taskId, record);
        return true;
      },
    };
  }

  writeOfSent({ taskId }: ResultRecord): StoreWrite {
    return { store: this, apply: () => !this.#records.has(taskId) };
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    return this.#records.get(id);
  }

  async *watch(id: string): AsyncIterable<ResultRecord> {
    const record = await this.get(id);
    if (record !== undefined) yield record;
  }

  async forget(id: string): Promise<boolean> {
    return this.#records.delete(id);
  }

  async expire(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
