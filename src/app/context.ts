// The running task, found from anywhere in its asynchronous calls.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { BoundTask } from './task.ts';

const running = new AsyncLocalStorage<BoundTask>();

/** The task that this code runs in; `undefined` outside of one. Celery's `current_task`. */
export function currentTask(): BoundTask | undefined {
  return running.getStore();
}

/** Runs `body` so that {@link currentTask} answers `task` in it and in all that it awaits. */
export function runAs<T>(task: BoundTask, body: () => T): T {
  return running.run(task, body);
}
