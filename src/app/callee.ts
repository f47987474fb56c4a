// Who is called, and whether what it is given fits.
import type { Json } from '../protocol/message.ts';
import type { App } from './app.ts';
import { bindArguments } from './arguments.ts';
import type { AnyTask } from './task.ts';
import type { ResolvedTaskOptions } from './task-options.ts';

/** Who is called. */
export interface Callee {
  readonly name: string;
  readonly options: ResolvedTaskOptions;
  /** Its code, if it is here: then the arguments are checked before they are sent. */
  readonly task: AnyTask | null;
}

/** The arguments of one call. */
export interface CallArguments {
  readonly args: readonly unknown[];
  readonly kwargs: Json;
}

/** The callee of a name: the task that is defined here, or one that is only known by name. */
export function calleeNamed(app: App, name: string): Callee {
  const task = app.tasks.get(name) ?? null;
  return { name, options: task?.options ?? app.defaults, task };
}

/** @throws InvalidArgumentsError, or rejects with it, where the task is here and its schema refuses them. */
export function checkArguments(
  { name, options, task }: Callee,
  { args, kwargs }: CallArguments,
): Promise<unknown> | undefined {
  if (task === null || task.run === null) return undefined;
  const bound = bindArguments(name, options.input, args, kwargs);
  return bound instanceof Promise ? bound : undefined;
}
