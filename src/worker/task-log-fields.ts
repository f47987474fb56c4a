import { currentTask } from '../app/running/context.ts';

/**
 * Log fields with the id and the name of the running task; none outside of a task. As the `mixin` of a pino logger it adds them to every line
 * that is logged from inside a task, by any code.
 * @example pino({ mixin: taskLogFields })
 */
export function taskLogFields(): object {
  const request = currentTask()?.request;
  return request === undefined ? {} : { task_id: request.id, task_name: request.task };
}
