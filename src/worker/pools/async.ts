import { runTask } from '../../app/running/run.ts';
import type { Pool } from './pool.ts';

/**
 * Runs tasks in the worker's own event loop: the default, right for tasks that mostly wait. `solo` is the same for one task at a time. It
 * cannot end a task's code: it can only abort its signal.
 */
export function asyncPool(name: 'async' | 'solo' = 'async'): Pool {
  return {
    name,
    runsHooks: false,
    execute: (task, context, begin) => {
      begin();
      return runTask(task, context);
    },
    terminate: () => false,
    start: async () => undefined,
    resize: () => undefined,
    report: () => [],
    stop: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
