// A task as clients see it.
import { decodeException } from '../protocol/exception.ts';
import { isException, isReady, type ResultRecord } from '../protocol/result-meta.ts';

interface TaskView {
  readonly id: string;
  /** PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, or a state of the task's own. */
  readonly status: string;
  /** With SUCCESS. */
  readonly result?: unknown;
  /** With FAILURE and REVOKED; with RETRY that of the last attempt. */
  readonly error?: TaskErrorView;
  /** With a custom state: the data that the task passed to `updateState`. */
  readonly progress?: unknown;
  /** When it ended. */
  readonly doneAt?: Date;
}

interface TaskErrorView {
  readonly type: string;
  readonly message: string;
  readonly traceback?: string;
}

export function viewOf(record: ResultRecord, tracebacks: boolean): TaskView {
  const { taskId: id, status } = record;
  const done = isReady(status) && record.dateDone !== null ? { doneAt: record.dateDone } : undefined;
  if (status === 'SUCCESS') return { id, status, result: record.result, ...done };
  if (isException(status)) return { id, status, error: errorOf(record, tracebacks), ...done };
  return isOwnState(status) ? { id, status, progress: record.result } : { id, status };
}

/** A state that the task has set itself: progress. */
export function isOwnState(status: string): boolean {
  return !celeryStates.has(status);
}

const celeryStates: ReadonlySet<string> = new Set([
  'PENDING',
  'RECEIVED',
  'STARTED',
  'SUCCESS',
  'FAILURE',
  'RETRY',
  'REVOKED',
  'REJECTED',
  'IGNORED',
]);

function errorOf(record: ResultRecord, tracebacks: boolean): TaskErrorView {
  const { type, message, stack } = decodeException(record.result, record.traceback);
  return { type, message, ...(tracebacks && stack !== null && { traceback: stack }) };
}
