// Who is called, and whether what it is given fits.

import type { SendableTask, TaskCallOptions } from '../config/sendable-task.ts';
import type { Json } from '../protocol/message.ts';
import { bindArguments } from './arguments.ts';

/** Who is called. */
export interface Callee<Task extends SendableTask = SendableTask> {
  readonly name: string;
  readonly options: TaskCallOptions;
  /** Its code, if it is here: then the arguments are checked before they are sent. */
  readonly task: Task | null;
}

/** The arguments of one call. */
export interface CallArguments {
  readonly args: readonly unknown[];
  readonly kwargs: Json;
}

/** The callee of a name: the task that is defined here, or one that is only known by name. */
export function calleeNamed<Task extends SendableTask>(
  app: { readonly tasks: { get(name: string): Task | undefined }; readonly defaults: TaskCallOptions },
  name: string,
): Callee<Task> {
  const task = app.tasks.get(name) ?? null;
  return { name, options: task?.options ?? app.defaults, task };
}

/** @throws InvalidArgumentsError, or rejects with it, where the task is here and its schema refuses them. */
export function checkArguments(
  { name, options, task }: Callee,
  { args, kwargs }: CallArguments,
): Promise<unknown> | undefined {
  if (task === null || task.run === null) return undefined;
  const bound = bindArguments(name, options, args, kwargs);
  return bound instanceof Promise ? bound : undefined;
}
