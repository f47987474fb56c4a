// The contract of jobs that run tasks of the history again. They are kept with the history, so that a job continues after its runner was killed.
import type { RecordedState } from '../history/record.ts';

/**
 * `planning`: its tasks are being gathered, and nothing was sent. `ready`: its tasks are known. `paused`: by a user, by its stop rule, or by an error.
 * `done`, `aborted`: it has ended.
 */
export type JobState = 'planning' | 'ready' | 'running' | 'paused' | 'done' | 'aborted';

/**
 * `open`: not sent. `sending`: its runner sends it now, or died or failed while it did so: it may have been sent. `sent`. `refused`: it cannot run
 * again, as `problem` says.
 */
export type JobItemState = 'open' | 'sending' | 'sent' | 'refused';

export interface JobItem {
  /** Id of the task that runs again. */
  readonly original: string;
  /** Id of its new run. */
  readonly newId: string;
  readonly state: JobItemState;
  /** Empty unless it is refused. */
  readonly problem: string;
}

export interface JobRow {
  readonly id: string;
  readonly state: JobState;
  /** Empty unless it is paused. */
  readonly pauseReason: string;
  /** JSON text. */
  readonly settings: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The process that runs it; null: no process. */
  readonly runner: string | null;
  /** When its runner last wrote this time, milliseconds since 1970. */
  readonly aliveAt: number;
}

/** Every method throws BrokerUnavailable when the store cannot answer. What it has written is on disk when it resolves. */
export interface HistoryJobs {
  /** Adds a job without items, and deletes jobs that were created before `forgetBefore` and have ended, or never ran. */
  create(job: JobRow, forgetBefore: number): Promise<void>;
  /** Adds items at the end; an original that is there already stays as it is. */
  add(id: string, items: readonly JobItem[]): Promise<void>;
  get(id: string): Promise<JobRow | null>;
  /** The newest first. */
  list(limit: number): Promise<readonly JobRow[]>;
  /**
   * Changes the job if its state is one of `from`, and `allowed` returns true for its runner (default: any runner). False: nothing has
   * changed.
   */
  change(
    id: string,
    change: Partial<Omit<JobRow, 'id' | 'createdAt'>>,
    when: {
      readonly from: readonly JobState[];
      readonly allowed?: (runner: string | null, aliveAt: number) => boolean;
    },
  ): Promise<boolean>;
  /**
   * Marks the next open items as `sending`, and returns them, if the job is running and `runner` is its runner. Null: it is not. So no item
   * is claimed after a pause, and two processes never claim the same item.
   */
  claim(id: string, runner: string, limit: number): Promise<readonly JobItem[] | null>;
  /** Items in this state, in their order. */
  items(id: string, state: JobItemState, limit: number): Promise<readonly JobItem[]>;
  /** Sets the state of these items. */
  mark(id: string, items: readonly Pick<JobItem, 'original' | 'state' | 'problem'>[]): Promise<void>;
  /** The numbers of items in each state. */
  counts(id: string): Promise<Readonly<Record<JobItemState, number>>>;
  /** The reasons for which items are refused, the most frequent first. */
  problems(id: string, limit: number): Promise<readonly (readonly [problem: string, items: number])[]>;
  /** What the history knows of the new runs: their numbers by state. */
  outcomes(id: string): Promise<ReadonlyMap<RecordedState, number>>;
  /** Deletes a job with its items. */
  delete(id: string): Promise<void>;
}
