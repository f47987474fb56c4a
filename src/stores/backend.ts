// The contract of a result backend: keeping what became of tasks.

import type { ResultRecord } from '../protocol/result-meta.ts';
import type { Chords } from './chords.ts';
import type { GroupRecords } from './group-records.ts';
import type { Limits, LimitsOptions } from './limits.ts';
import type { Locks } from './locks.ts';
import type { StoreWrite } from './store-write.ts';

export interface ResultBackendFeatures {
  /** Several processes may share the store. */
  readonly multiProcess: boolean;
  /** A record is written when a task is sent (state PENDING), so that `exists` can be answered. */
  readonly remembersSent: boolean;
  /** `expire` deletes what has expired. False: the store does so by itself, and `expire` returns 0. */
  readonly sweeps: boolean;
  /** It gathers the results of chords: there are `ResultBackend.chords`. */
  readonly chords: boolean;
}

/** Where the sender of a call waits for its result, as the call's message says. */
export interface ResultAddress {
  /** A queue; '' when the sender waits elsewhere, or not at all. */
  readonly replyTo: string;
  readonly correlationId: string;
}

export interface ResultBackend extends AsyncDisposable {
  /** `sqlite`, `memory`. */
  readonly name: string;
  readonly features: ResultBackendFeatures;
  /** The identity of the store; see `Transport.store`. */
  readonly store: object;
  /** Absent where results are not kept in one place that can count them. */
  readonly chords?: Chords;
  /** Locks of unique tasks, kept here; see `Transport.openLocks`. */
  openLocks?(): Promise<Locks>;
  /** Limits that all workers share, kept here; see `Transport.openLimits`. */
  openLimits?(options: LimitsOptions): Promise<Limits>;
  /** Its own way to keep groups (`GroupResult.save`), where it has one; see `groupRecords`. */
  readonly groups?: GroupRecords;
  /**
   * Keeps a record. A SUCCESS is never overwritten (Celery's rule), and an ended task is not set back to an
   * unended state. Resolves when it is durable.
   * @throws BrokerUnavailable when the store refuses.
   * @param address what the call says of where its result is to go, for backends that send it there; others need it not.
   */
  put(record: ResultRecord, address?: ResultAddress): Promise<void>;
  /**
   * Where results come to, for backends that are sent them as messages: the application says it with each call whose result
   * is wanted (`reply_to`).
   */
  replyTo?(): Promise<string>;
  /** The same write, to be made together with a settlement in the same store; `more` records after it, in their order. */
  writeOf(record: ResultRecord, ...more: readonly ResultRecord[]): StoreWrite;
  /**
   * The write that records that a task was sent; it reports false when the id is known already.
   * @param elsewhere whoever runs it may keep results in a form of its own, and is to find nothing of ours in their place: a Python worker
   * with another `result_serializer` ends when it finds JSON there. Only for backends that Python shares.
   */
  writeOfSent(record: ResultRecord, elsewhere?: boolean): StoreWrite;
  get(id: string): Promise<ResultRecord | undefined>;
  /**
   * The present record, if there is one, then the newest after each change, until the task is ready or `signal` is
   * aborted (the iteration then ends). Changes in between may be skipped; the last never is.
   */
  watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord>;
  /** Deletes the record. False when there was none. */
  forget(id: string): Promise<boolean>;
  /** Deletes those of these records that say no more than that the task was sent: its message was deleted, it will never run. */
  forgetPending?(ids: readonly string[]): Promise<void>;
  /** Deletes the records that ended longer ago than they are kept; returns how many. Backends do this themselves, too. */
  expire(now?: Date): Promise<number>;
  close(): Promise<void>;
}
