// Running a task's code as a plain function: without a queue, hooks or retries.

import type { CallOptions } from '../../config/call-options.ts';
import { ConfigError } from '../../errors.ts';
import { type Logger, silentLogger } from '../../lib/logger.ts';
import type { Json } from '../../protocol/message.ts';
import { bindArguments, noKwargs, toKwargs } from '../../sending/arguments.ts';
import { prepareCall } from '../../sending/prepare.ts';
import type { AnyTask, TaskBody } from '../task.ts';
import { currentTask, runAs } from './context.ts';
import { toRequest } from './request.ts';
import { bindTask } from './run.ts';

/** Runs a task's code as a plain function: without a queue, hooks or retries. A schema checks its arguments. */
export function callDirectly(task: AnyTask, args: readonly unknown[]): unknown {
  const { name, options, run } = task;
  if (run === null)
    throw new ConfigError(
      `the task '${name}' lives elsewhere (app.remote); send it with delay() or applyAsync()`,
    );
  if (options.input === null) return options.bind ? runBound(task, run, args) : run(...args);
  return checked(task, run, args);
}

async function checked(task: AnyTask, run: TaskBody, given: readonly unknown[]): Promise<unknown> {
  const args = await bindArguments(task.name, task.options, [], toKwargs(task.name, ...given));
  return task.options.bind ? runBound(task, run, args) : run(...args);
}

/** Runs a task's code within the running task, with arguments in their form on the wire. Celery's `task.__call__`. */
export async function callInPlace(task: AnyTask, given: readonly unknown[], kwargs: Json): Promise<unknown> {
  const { name, options, run } = task;
  if (run === null)
    throw new ConfigError(`the task '${name}' lives elsewhere (app.remote) and cannot be run here`);
  const args = await bindArguments(name, options, given, kwargs);
  return options.bind ? runBound(task, run, args) : run(...args);
}

function runBound(task: AnyTask, run: TaskBody, args: readonly unknown[]): unknown {
  const around = currentTask();
  return runInPlace(task, run, args, {
    signal: around?.signal ?? new AbortController().signal,
    logger: around?.logger ?? silentLogger,
  });
}

/** The context of code that is run in place. */
interface AroundCall extends Pick<CallOptions, 'rootId' | 'parentId'> {
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** Runs a task's code as a function, in a scope of its own, where `currentTask()` returns the task. */
export function runInPlace(
  task: AnyTask,
  run: TaskBody,
  args: readonly unknown[],
  { signal, logger, ...ids }: AroundCall,
): unknown {
  const { message, queue } = prepareCall(task.app, task.name, args, noKwargs, ids, task.options);
  const bound = bindTask(task, {
    request: toRequest(message, { queue, redelivered: false, hostname: message.origin ?? '', isEager: true }),
    signal,
    logger,
    updateState: () => Promise.resolve(),
    log: (message) => logger.info({}, message),
    direct: true,
  });
  return runAs(bound, () => (task.options.bind ? run(bound, ...args) : run(...args)));
}
