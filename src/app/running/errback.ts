// The arguments of an errback, and calling one with the error itself.

import type { Logger } from '../../lib/logger.ts';
import type { WireSignature } from '../../protocol/message.ts';
import { bindArguments } from '../../sending/arguments.ts';
import type { ErrbackCall } from '../../workflow/follow.ts';
import type { App } from '../app.ts';
import { runInPlace } from './call-in-place.ts';

/** Celery's rule: an errback gets the error itself when its task is known here and lacks more than one argument. */
export function takesError(app: App, { task: name, args, immutable }: WireSignature): boolean {
  const task = app.tasks.get(name);
  if (!task?.run || task.options.input !== null || immutable) return false;
  return task.run.length - (task.options.bind ? 1 : 0) - args.length > 1;
}

/**
 * Calls it as a function, as Celery does: a worker of another program could not run it as a task, since the request is an object. An error
 * that it throws is logged and changes nothing.
 */
export async function callErrback(
  app: App,
  { errback, args, rootId, parentId }: ErrbackCall,
  around: { readonly signal: AbortSignal; readonly logger: Logger },
): Promise<void> {
  const { task: name, kwargs } = errback;
  try {
    const task = app.tasks.get(name);
    if (!task?.run) return; // `takesError` has found it
    const bound = await bindArguments(
      name,
      { input: null, parameters: null },
      [...args, ...errback.args],
      kwargs,
    );
    await runInPlace(task, task.run, bound, { ...around, rootId, parentId });
  } catch (error) {
    const about = { err: error, task_id: parentId, task_name: name };
    around.logger.error(about, `the error callback ${name} failed: ${String(error)}`);
  }
}
