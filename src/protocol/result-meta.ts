// What a result backend keeps of a task: Celery's "meta" map.
import type { Json } from './message.ts';

/** Celery's states, and any custom one set by `updateState`. PENDING with a record means: sent, not yet begun. */
export type TaskState =
  | 'PENDING'
  | 'RECEIVED'
  | 'STARTED'
  | 'SUCCESS'
  | 'FAILURE'
  | 'RETRY'
  | 'REVOKED'
  | 'REJECTED'
  | 'IGNORED'
  | (string & {});

/** The task has ended in this state and will not leave it. */
export function isReady(status: TaskState): boolean {
  return status === 'SUCCESS' || status === 'FAILURE' || status === 'REVOKED';
}

/** The result of this state is an exception. */
export function isException(status: TaskState): boolean {
  return status === 'FAILURE' || status === 'REVOKED' || status === 'RETRY';
}

/** An exception as Celery keeps it. */
export interface WireException {
  /** Qualified name: `ValueError`. */
  readonly exc_type: string;
  /** The exception's arguments. */
  readonly exc_message: readonly unknown[];
  readonly exc_module: string;
}

/** Celery's result tuple, `[[id, parent], children]`, decoded as far as anybody needs. */
export type ResultTuple = readonly unknown[];

/** A task's state and result as a backend keeps it. */
export interface ResultRecord {
  readonly taskId: string;
  readonly status: TaskState;
  /** The value for SUCCESS; a {@link WireException} for exception states; the meta of a custom state. */
  readonly result: unknown;
  readonly traceback: string | null;
  readonly children: readonly ResultTuple[];
  /** When it ended; null while it has not. */
  readonly dateDone: Date | null;
  readonly groupId?: string | null;
  readonly parentId?: string | null;
  // With `resultExtended`:
  readonly name?: string;
  readonly args?: readonly unknown[];
  readonly kwargs?: Json;
  /** Node name. */
  readonly worker?: string | null;
  readonly retries?: number;
  readonly queue?: string | null;
}
