// The request that an errback gets.
import type { TaskMessage } from '../protocol/message.ts';

/** The failed call: Celery's request, as far as it is data. */
export interface FailedRequest {
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly retries?: number;
  readonly root_id?: string;
  readonly parent_id?: string | null;
  readonly group?: string | null;
}

export function failedRequest(message: TaskMessage): FailedRequest {
  const { id, task, args, kwargs, retries, rootId, parentId, group } = message;
  return { id, task, args, kwargs, retries, root_id: rootId, parent_id: parentId, group };
}
