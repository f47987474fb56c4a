// The contract of a store that keeps the history of tasks.
import type { Sort } from '../history/compile.ts';
import type { Condition } from '../history/condition.ts';
import type { TaskFacts } from '../history/facts.ts';
import type { FacetField } from '../history/fields.ts';
import type { RecordedState, TaskRecord } from '../history/record.ts';
import type { HistoryJobs } from './history-jobs.ts';

/** Selects tasks. */
export interface HistoryFilter {
  /** Null: all tasks. */
  readonly condition: Condition | null;
  /** The time from which ages are counted, milliseconds since 1970. */
  readonly now: number;
}

export interface HistoryListing extends HistoryFilter {
  readonly sort: Sort;
  readonly limit: number;
  /** The `next` of the previous page, which had the same sort; null: the first page. */
  readonly after: string | null;
}

/** Some tasks of a list, and where it goes on. */
export interface HistoryPage {
  /** In the order of the list. */
  readonly tasks: readonly TaskRecord[];
  /** Cursor of the next page; null: this is the last page. */
  readonly next: string | null;
}

export interface HistorySize {
  readonly tasks: number;
  /** Size of the file, or of the table, with its indexes and its free pages. */
  readonly bytes: number;
  /** Time of the oldest task's first event, milliseconds since 1970. */
  readonly oldestAt: number | null;
}

/** A span of time in which a recorder listened, milliseconds since 1970. */
export interface Recording {
  /** Unique for the recorder and the span. */
  readonly id: string;
  readonly from: number;
  readonly until: number;
}

/** Which tasks are deleted. */
export interface Retention {
  /** Tasks whose last event is older than this time, milliseconds since 1970; null: no limit of age. */
  readonly updatedBefore: number | null;
  /** The number of tasks that stay: of more, the oldest are deleted; null: no limit of number. */
  readonly maxTasks: number | null;
}

/**
 * Records of tasks. Every method throws BrokerUnavailable when the store cannot answer, StoreLostError when it is gone.
 */
export interface HistoryStore {
  readonly name: string;
  /** Identifies this history for as long as it is kept: under this id its recorders are registered with the broker. */
  readonly id: string;
  /** The file or the server, for people. */
  readonly location: string;
  /**
   * Merges facts into those that are stored; they are on disk when this resolves. When it fails, a part may be stored: call it again. The same facts a
   * second time, in another order or from another recorder change nothing. `recording`: the span in which the recorder has listened so far.
   */
  merge(tasks: readonly TaskFacts[], recording: Recording | null): Promise<void>;
  get(id: string): Promise<TaskRecord | null>;
  /** @throws QuerySyntaxError for an `after` that is no cursor of this sort */
  list(listing: HistoryListing): Promise<HistoryPage>;
  /** The number of tasks in each state; states without a task are left out. */
  counts(filter: HistoryFilter): Promise<ReadonlyMap<RecordedState, number>>;
  /** The `limit` most frequent values of a field with their numbers of tasks; value null: unknown. */
  facet(
    field: FacetField,
    filter: HistoryFilter,
    limit: number,
  ): Promise<readonly (readonly [value: string | null, tasks: number])[]>;
  /** The stored spans in which a recorder listened, in ascending order. They may overlap. */
  recordings(): Promise<readonly Recording[]>;
  size(): Promise<HistorySize>;
  /** Deletes at most `limit` tasks, and resolves with their number. A small limit keeps other writers from waiting: call it until it returns 0. */
  prune(retention: Retention, limit: number): Promise<number>;
  /** The jobs that run tasks of this history again. */
  openJobs(): Promise<HistoryJobs>;
  close(): Promise<void>;
}
