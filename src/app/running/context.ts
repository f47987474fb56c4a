// The running task, for any code in its asynchronous calls.
import { taskScope } from '../../results/task-scope.ts';
import type { BoundTask } from '../task.ts';

/** The task that this code runs in; `undefined` outside of a task. Celery's `current_task`. */
export function currentTask(): BoundTask | undefined {
  return taskScope.getStore() as BoundTask | undefined; // only `runAs` fills it
}

/** Runs `body`. In it, and in all that it awaits, {@link currentTask} returns `task`. */
export function runAs<T>(task: BoundTask, body: () => T): T {
  return taskScope.run(task, body);
}
