// The record of a task in a result backend: Celery's "meta" map.
import type { Json } from './message.ts';

/** Celery's states, and custom states that `updateState` sets. PENDING with a record: the task was sent and has not begun. */
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

/** Whether this state is final: a task in it has ended. */
export function isReady(status: TaskState): boolean {
  return status === 'SUCCESS' || status === 'FAILURE' || status === 'REVOKED';
}

/** Whether the result of this state is an exception. */
export function isException(status: TaskState): boolean {
  return status === 'FAILURE' || status === 'REVOKED' || status === 'RETRY';
}

/** An exception as Celery stores it. */
export interface WireException {
  /** Qualified name: `ValueError`. */
  readonly exc_type: string;
  /** The exception's arguments. */
  readonly exc_message: readonly unknown[];
  /** The Python module of its class. */
  readonly exc_module: string;
}

/** Celery's result tuple, `[[id, parent], children]`, partly decoded. */
export type ResultTuple = readonly unknown[];

/** A task's state and result as a backend stores them. */
export interface ResultRecord {
  /** The task's id. */
  readonly taskId: string;
  /** The task's state. */
  readonly status: TaskState;
  /** The value for SUCCESS; a {@link WireException} for exception states; the meta of a custom state. */
  readonly result: unknown;
  /** The stack of the error; null: there is none. */
  readonly traceback: string | null;
  /** The tasks that it has sent. */
  readonly children: readonly ResultTuple[];
  /** When the task ended; null before that. */
  readonly dateDone: Date | null;
  /** The id of its group. */
  readonly groupId?: string | null;
  /** The id of the task that sent it. */
  readonly parentId?: string | null;
  /** The task's name. This and what follows are kept with `resultExtended`. */
  readonly name?: string;
  /** The positional arguments. */
  readonly args?: readonly unknown[];
  /** The keyword arguments. */
  readonly kwargs?: Json;
  /** Node name. */
  readonly worker?: string | null;
  /** How many retries there were. */
  readonly retries?: number;
  /** The queue from which it came. */
  readonly queue?: string | null;
}
