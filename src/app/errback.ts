// What an error callback is given.
import type { WireSignature } from '../protocol/message.ts';
import type { App } from './app.ts';

/** Celery's rule for errbacks: a task that is known here and lacks more than one argument gets the error itself. */
export function takesError(app: App, { task: name, args }: WireSignature): boolean {
  const task = app.tasks.get(name);
  if (!task?.run || task.options.input !== null) return false;
  return task.run.length - (task.options.bind ? 1 : 0) - args.length > 1;
}
