import { currentTask } from '../app/running/context.ts';

/**
 * Log fields with the id and the name of the running task, and what middleware adds (`logFields`); none outside of a task. As the `mixin` of a pino logger it adds them to every line
 * that is logged from inside a task, by any code.
 * @example pino({ mixin: taskLogFields })
 */
export function taskLogFields(): object {
  const task = currentTask();
  if (task === undefined) return {};
  const { app, request } = task;
  return { task_id: request.id, task_name: request.task, ...app.middleware.logFields() };
}
