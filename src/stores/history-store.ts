// Where the history of tasks is kept.
import type { Sort } from '../history/compile.ts';
import type { Condition } from '../history/condition.ts';
import type { TaskFacts } from '../history/facts.ts';
import type { FacetField } from '../history/fields.ts';
import type { RecordedState, TaskRecord } from '../history/record.ts';

/** Which tasks. */
export interface HistoryFilter {
  /** Null: all. */
  readonly condition: Condition | null;
  /** Milliseconds since 1970, for ages. */
  readonly now: number;
}

export interface HistoryListing extends HistoryFilter {
  readonly sort: Sort;
  readonly limit: number;
  /** The `next` of the page before, with the same sort; null: the first page. */
  readonly after: string | null;
}

export interface HistoryPage {
  readonly tasks: readonly TaskRecord[];
  /** Where the next page begins; null: there is none. */
  readonly next: string | null;
}

export interface HistorySize {
  readonly tasks: number;
  /** Of the file, with its indexes and what is free in it. */
  readonly bytes: number;
  /** When the oldest task was first heard of, milliseconds since 1970. */
  readonly oldestAt: number | null;
}

/** A time in which a recorder listened, milliseconds since 1970. */
export interface Recording {
  /** Of the recorder and this time. */
  readonly id: string;
  readonly from: number;
  readonly until: number;
}

/** What is not to be kept any longer. */
export interface Retention {
  /** Of tasks of which nothing was heard since, milliseconds since 1970; null: age does not matter. */
  readonly heardBefore: number | null;
  /** Of more tasks the oldest; null: number does not matter. */
  readonly mostTasks: number | null;
}

/**
 * Records of tasks. Every method throws BrokerUnavailable when the store cannot answer, StoreLostError when it is gone.
 */
export interface HistoryStore {
  readonly name: string;
  /** The file or the server, for people. */
  readonly location: string;
  /**
   * Puts what is told to what is known, in one transaction that is on disk when this resolves. The same facts a second time, in another order or from
   * another recorder change nothing. `recording`: the recorder listened until now.
   */
  merge(tasks: readonly TaskFacts[], recording: Recording | null): Promise<void>;
  get(id: string): Promise<TaskRecord | null>;
  /** @throws QuerySyntaxError for an `after` that is none */
  list(listing: HistoryListing): Promise<HistoryPage>;
  /** How many there are of each state; states without a task are left out. */
  counts(filter: HistoryFilter): Promise<ReadonlyMap<RecordedState, number>>;
  /** The `limit` most frequent values with their numbers of tasks; null: unknown. */
  facet(
    field: FacetField,
    filter: HistoryFilter,
    limit: number,
  ): Promise<readonly (readonly [value: string | null, tasks: number])[]>;
  /** The times in which somebody listened, of those that are kept; the first first. They may overlap. */
  recordings(): Promise<readonly Recording[]>;
  size(): Promise<HistorySize>;
  /** Deletes at most `limit` tasks, and resolves with how many. Short, so that nobody waits for it: call it again until it is 0. */
  prune(retention: Retention, limit: number): Promise<number>;
  close(): Promise<void>;
}
