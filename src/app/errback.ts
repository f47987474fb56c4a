// What an error callback is given.
import type { TaskMessage, WireSignature } from '../protocol/message.ts';
import type { App } from './app.ts';

/** Celery's rule for errbacks: a task that is known here and lacks more than one argument gets the error itself. */
export function takesError(app: App, { task: name, args }: WireSignature): boolean {
  const task = app.tasks.get(name);
  if (!task?.run || task.options.input !== null) return false;
  return task.run.length - (task.options.bind ? 1 : 0) - args.length > 1;
}

/** The failed call, for those who follow it with its error. Celery's request, as far as it is data. */
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
