// Making a task: a function that can be called, with its methods for sending.

import { type CallOptions, noOptions } from '../config/call-options.ts';
import { optionsOfTask } from '../config/wire-options.ts';
import { ConfigError, InvalidArgumentsError } from '../errors.ts';
import type { AsyncResult } from '../results/async-result.ts';
import { noKwargs, toKwargs } from '../sending/arguments.ts';
import type { CallArguments, Callee } from '../sending/callee.ts';
import type { App } from './app.ts';
import { callDirectly } from './running/call-in-place.ts';
import { apply, sendOrApply, sendOrApplyMany } from './send-or-apply.ts';
import { type AnySignature, callSignature, isSignature, type Signature } from './signature.ts';
import type { Callable, Links, TaskBody } from './task.ts';
import type { ResolvedTaskOptions } from './task-options.ts';

/** A task without its types; `App.task` adds them. */
type UntypedTask = Callable<unknown, readonly unknown[], unknown> & TaskBody;

/** `body`: null for a remote task. `keywords`: its arguments are one object, as with a schema. */
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
  const partial = (args: readonly unknown[]): CallArguments =>
    keywords && args.length === 0 ? { args: noArgs, kwargs: noKwargs } : spread(args);
  const methods = {
    app,
    options,
    run: body,
    [Symbol.for('nodejs.util.inspect.custom')]: () => `[Task: ${name}]`,
    async delay(...args: readonly unknown[]): Promise<AsyncResult<unknown>> {
      return sendOrApply(app, callee, spread(args), noOptions);
    },
    async applyAsync(
      call: unknown,
      given: CallOptions & Links<unknown> = noOptions,
    ): Promise<AsyncResult<unknown>> {
      if (!('link' in given || 'linkError' in given)) return sendOrApply(app, callee, whole(call), given);
      const { link, linkError, ...options } = given;
      let signature = callSignature(app, name, whole(call), optionsOfTask(task), true);
      for (const callback of signatures(link, 'link', name)) signature = signature.link(callback);
      for (const errback of signatures(linkError, 'linkError', name))
        signature = signature.linkError(errback);
      return signature.applyAsync([], options);
    },
    async applyMany(
      calls: readonly unknown[],
      options: CallOptions = noOptions,
    ): Promise<AsyncResult<unknown>[]> {
      return sendOrApplyMany(app, callee, calls.map(whole), options);
    },
    s(...args: readonly unknown[]): AnySignature {
      return callSignature(app, name, partial(args), optionsOfTask(task), false);
    },
    si(...args: readonly unknown[]): AnySignature {
      return callSignature(app, name, spread(args), optionsOfTask(task), true);
    },
    async apply(call: unknown, options: CallOptions = noOptions): Promise<AsyncResult<unknown>> {
      return apply(app, callee, whole(call), options);
    },
  };
  const callable = (...args: readonly unknown[]): unknown => callDirectly(task, args);
  // The `name` of a function is read-only; it can only be redefined.
  Object.defineProperty(callable, 'name', { value: name });
  const task: UntypedTask = Object.assign(callable, methods);
  const callee: Callee<UntypedTask> = { name, options, task };
  return task;
}

function signatures(
  given: unknown,
  option: string,
  name: string,
): readonly Signature<readonly unknown[], unknown>[] {
  return [given ?? []].flat().map((each) => {
    if (isSignature(each)) return each;
    throw new ConfigError(
      `'${option}' in the call of '${name}' must be a signature, as task.s() gives it, or a list of them`,
    );
  });
}

const noArgs: readonly unknown[] = Object.freeze([]);

function listOf(name: string, call: unknown): readonly unknown[] {
  if (Array.isArray(call)) return call;
  throw new InvalidArgumentsError(name, [
    { path: '$args', message: 'the arguments are given as a list: applyAsync([2, 3])' },
  ]);
}
