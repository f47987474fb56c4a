// Making a task: a function that can be called, with the ways to send it.
import { ConfigError, InvalidArgumentsError } from '../errors.ts';
import { silentLogger } from '../lib/logger.ts';
import type { Json } from '../protocol/message.ts';
import type { AsyncResult } from '../results/async-result.ts';
import type { App } from './app.ts';
import { bindArguments, toKwargs } from './arguments.ts';
import { type CallOptions, noOptions } from './call-options.ts';
import { currentTask, runAs } from './context.ts';
import { toRequest } from './request.ts';
import { bindTask } from './run.ts';
import { noKwargs, prepareCall } from './sender.ts';
import { apply, type CallArguments, type Callee, submit, submitMany } from './submit.ts';
import type { AnyTask, Callable, TaskBody } from './task.ts';
import type { ResolvedTaskOptions } from './task-options.ts';

/** A task with its types forgotten; `App.task` gives them back. */
export type UntypedTask = Callable<unknown, readonly unknown[], unknown> & TaskBody;

/** `body` is `null` for a task that lives elsewhere; `keywords`: its arguments are one object, as with a schema. */
export function defineTask(
  app: App,
  name: string,
  options: ResolvedTaskOptions,
  body: TaskBody | null,
  keywords: boolean = options.input !== null,
): UntypedTask {
  const spread = (args: readonly unknown[]): CallArguments =>
    keywords ? { args: noArgs, kwargs: toKwargs(name, ...args) } : { args, kwargs: noKwargs };
  const whole = (call: unknown): CallArguments => spread(keywords ? [call] : listOf(name, call));
  const methods = {
    app,
    options,
    run: body,
    async delay(...args: readonly unknown[]): Promise<AsyncResult<unknown>> {
      return submit(app, callee, spread(args), noOptions);
    },
    async applyAsync(call: unknown, options: CallOptions = noOptions): Promise<AsyncResult<unknown>> {
      return submit(app, callee, whole(call), options);
    },
    async applyMany(
      calls: readonly unknown[],
      options: CallOptions = noOptions,
    ): Promise<AsyncResult<unknown>[]> {
      return submitMany(app, callee, calls.map(whole), options);
    },
    async apply(call: unknown, options: CallOptions = noOptions): Promise<AsyncResult<unknown>> {
      return apply(app, callee, whole(call), options);
    },
  };
  const callable = (...args: readonly unknown[]): unknown => callDirectly(task, args);
  // A function's own `name` is read-only; it can only be defined anew.
  Object.defineProperty(callable, 'name', { value: name });
  const task: UntypedTask = Object.assign(callable, methods);
  const callee: Callee = { name, options, task };
  return task;
}

const noArgs: readonly unknown[] = Object.freeze([]);

function listOf(name: string, call: unknown): readonly unknown[] {
  if (Array.isArray(call)) return call;
  throw new InvalidArgumentsError(name, [
    { path: '$args', message: 'the arguments are given as a list: applyAsync([2, 3])' },
  ]);
}

/** Runs a task's code as the function that it is: no queue, no hooks, no retries. A schema checks all the same. */
function callDirectly(task: AnyTask, args: readonly unknown[]): unknown {
  const { name, options, run } = task;
  if (run === null)
    throw new ConfigError(
      `the task '${name}' lives elsewhere (app.remote); send it with delay() or applyAsync()`,
    );
  if (options.input === null) return options.bind ? runBound(task, run, args) : run(...args);
  return checked(task, run, args);
}

async function checked(task: AnyTask, run: TaskBody, given: readonly unknown[]): Promise<unknown> {
  const args = await bindArguments(task.name, task.options.input, noArgs, toKwargs(task.name, ...given));
  return task.options.bind ? runBound(task, run, args) : run(...args);
}

/** Runs a task's code within the running one, with arguments as they travel. Celery's `task.__call__`. */
export async function callInPlace(task: AnyTask, given: readonly unknown[], kwargs: Json): Promise<unknown> {
  const { name, options, run } = task;
  if (run === null)
    throw new ConfigError(`the task '${name}' lives elsewhere (app.remote) and cannot be run here`);
  const args = await bindArguments(name, options.input, given, kwargs);
  return options.bind ? runBound(task, run, args) : run(...args);
}

function runBound(task: AnyTask, run: TaskBody, args: readonly unknown[]): unknown {
  const { message, queue } = prepareCall(task.app, task.name, args, noKwargs, noOptions, task.options);
  const around = currentTask();
  const bound = bindTask(task, {
    request: toRequest(message, { queue, redelivered: false, hostname: message.origin ?? '', isEager: true }),
    signal: around?.signal ?? new AbortController().signal,
    logger: around?.logger ?? silentLogger,
    updateState: () => Promise.resolve(),
    direct: true,
  });
  return runAs(bound, () => run(bound, ...args));
}
