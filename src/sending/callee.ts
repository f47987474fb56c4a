// The task that is called, and the check of its arguments.

import type { SendableTask, TaskCallOptions } from '../config/sendable-task.ts';
import type { Json } from '../protocol/message.ts';
import { bindArguments } from './arguments.ts';

/** The task that is called. */
export interface Callee<Task extends SendableTask = SendableTask> {
  readonly name: string;
  readonly options: TaskCallOptions;
  /** The task itself, if it is defined here: then the arguments are checked before they are sent. */
  readonly task: Task | null;
}

/** The arguments of one call. */
export interface CallArguments {
  readonly args: readonly unknown[];
  readonly kwargs: Json;
}

/** The callee of this name: a task that is defined here, or one that is known by its name only. */
export function calleeNamed<Task extends SendableTask>(
  app: { readonly tasks: { get(name: string): Task | undefined }; readonly defaults: TaskCallOptions },
  name: string,
): Callee<Task> {
  const task = app.tasks.get(name) ?? null;
  return { name, options: task?.options ?? app.defaults, task };
}

/** @throws InvalidArgumentsError, or rejects with it, when the task is defined here and its schema refuses the arguments */
export function checkArguments(
  { name, options, task }: Callee,
  { args, kwargs }: CallArguments,
): Promise<unknown> | undefined {
  if (task === null || task.run === null) return undefined;
  const bound = bindArguments(name, options, args, kwargs);
  return bound instanceof Promise ? bound : undefined;
}
