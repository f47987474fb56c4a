// The running task, found from anywhere in its asynchronous calls.
import { taskScope } from '../../results/task-scope.ts';
import type { BoundTask } from '../task.ts';

/** The task that this code runs in; `undefined` outside of one. Celery's `current_task`. */
export function currentTask(): BoundTask | undefined {
  return taskScope.getStore() as BoundTask | undefined; // nobody else than `runAs` fills it
}

/** Runs `body` so that {@link currentTask} answers `task` in it and in all that it awaits. */
export function runAs<T>(task: BoundTask, body: () => T): T {
  return taskScope.run(task, body);
}
