// The contract of a result backend, which keeps the records of tasks.

import type { ResultRecord } from '../protocol/result-meta.ts';
import type { AuditStore } from './audit-store.ts';
import type { Chords } from './chords.ts';
import type { GroupRecords } from './group-records.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from './limits.ts';
import type { Locks } from './locks.ts';
import type { PauseStore } from './pauses.ts';
import type { HealthFigure } from './store-health.ts';
import type { StoreWrite } from './store-write.ts';

/** What a result backend can do. */
export interface ResultBackendFeatures {
  /** Several processes may share the store. */
  readonly multiProcess: boolean;
  /** A PENDING record is written when a task is sent, so that `exists` can be answered. */
  readonly remembersSent: boolean;
  /** `expire` deletes expired records. False: the store deletes them itself, and `expire` returns 0. */
  readonly sweeps: boolean;
  /** It counts chords: `ResultBackend.chords` is set. */
  readonly chords: boolean;
}

/** Where the sender of a call waits for its result, as the call's message names it. */
export interface ResultAddress {
  /** A queue; '' when the sender waits elsewhere, or not at all. */
  readonly replyTo: string;
  /** By which the sender knows the result again. */
  readonly correlationId: string;
}

/** Keeps the records of tasks. A store of your own implements it; `backendConformance` tests it. */
export interface ResultBackend extends AsyncDisposable {
  /** `sqlite`, `memory`. */
  readonly name: string;
  /** What it can do. */
  readonly features: ResultBackendFeatures;
  /** The identity of the store; see `Transport.store`. */
  readonly store: object;
  /** Absent where results are not kept in one place that could count them. */
  readonly chords?: Chords;
  /** Locks of unique tasks, kept here; see `Transport.openLocks`. */
  openLocks?(): Promise<Locks>;
  /** Limits that all workers share, kept here; see `Transport.openLimits`. */
  openLimits?(options: LimitsOptions): Promise<Limits>;
  /** The limits in use, and changes nothing. Present where `openLimits` is. */
  readLimits?(reading: LimitReading): Promise<LimitReport>;
  /** What is paused, kept here; see `Transport.openPauses`. */
  openPauses?(): Promise<PauseStore>;
  /** The audit log, kept here; see `Transport.openAudit`. */
  openAudit?(): Promise<AuditStore>;
  /** As `Transport.health`. */
  health?(): Promise<readonly HealthFigure[]>;
  /** The backend's own way to keep groups (`GroupResult.save`), if it has one; see `groupRecords`. */
  readonly groups?: GroupRecords;
  /**
   * Keeps a record. A SUCCESS is never overwritten (Celery's rule), and an ended task does not get an unended state
   * again. Resolves when the record is durable.
   * @throws BrokerUnavailable when the store refuses
   * @param address where the result is to go, for backends that send it there; others ignore it
   */
  put(record: ResultRecord, address?: ResultAddress): Promise<void>;
  /**
   * The address of results, for backends that receive them as messages: the application puts it into each call whose result
   * is wanted (`reply_to`).
   */
  replyTo?(): Promise<string>;
  /** The same write, to be made together with a settlement in the same store; then the records `more`, in their order. */
  writeOf(record: ResultRecord, ...more: readonly ResultRecord[]): StoreWrite;
  /**
   * The write that records that a task was sent; it reports false when the id is known already.
   * @param elsewhere the worker may keep results in another form, and must find nothing of ours in their place: a Python worker
   * with another `result_serializer` crashes when it finds JSON there. Only for backends that Python shares.
   */
  writeOfSent(record: ResultRecord, elsewhere?: boolean): StoreWrite;
  /** The record of a task; undefined: there is none. */
  get(id: string): Promise<ResultRecord | undefined>;
  /**
   * The current record, if there is one, and then the newest after each change, until the task is ready or `signal` is
   * aborted; then the iteration ends. Changes in between may be skipped, but not the last one.
   */
  watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord>;
  /** Deletes the record. False when there was none. */
  forget(id: string): Promise<boolean>;
  /** Deletes PENDING records of these ids: the messages were deleted, so that the tasks will never run. */
  forgetPending?(ids: readonly string[]): Promise<void>;
  /** Deletes the records that have expired; returns their number. Backends also do this themselves. */
  expire(now?: Date): Promise<number>;
  /** Closes its connections. Safe to call twice. */
  close(): Promise<void>;
}
