// The request that an errback gets.
import type { TaskMessage } from '../protocol/message.ts';

/** The failed call: Celery's request, as far as it is data. */
export interface FailedRequest {
  /** The id of the task that failed. */
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  /** Its positional arguments. */
  readonly args?: readonly unknown[];
  /** Its keyword arguments. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  /** How many retries there were. */
  readonly retries?: number;
  /** The first task of its workflow. */
  readonly root_id?: string;
  /** The task that sent it. */
  readonly parent_id?: string | null;
  /** The id of its group. */
  readonly group?: string | null;
}

export function failedRequest(message: TaskMessage): FailedRequest {
  const { id, task, args, kwargs, retries, rootId, parentId, group } = message;
  return { id, task, args, kwargs, retries, root_id: rootId, parent_id: parentId, group };
}
