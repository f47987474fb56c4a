import { currentTask } from '../app/running/context.ts';

/**
 * The id and the name of the task in whose asynchronous calls this is called, as log fields; nothing outside of a
 * task. As the `mixin` of a pino logger it puts them into every line that is logged from inside a task, whoever logs it.
 * @example pino({ mixin: taskLogFields })
 */
export function taskLogFields(): object {
  const request = currentTask()?.request;
  return request === undefined ? {} : { task_id: request.id, task_name: request.task };
}
