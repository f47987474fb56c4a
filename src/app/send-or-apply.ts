// Calling a task: the call is sent, or, with `taskAlwaysEager`, run in this process.

import { type CallOptions, checkCallOptions } from '../config/call-options.ts';
import type { AsyncResult } from '../results/async-result.ts';
import { type CallArguments, type Callee, checkArguments } from '../sending/callee.ts';
import { encodeCall } from '../sending/encode.ts';
import { type PreparedCall, prepareCall } from '../sending/prepare.ts';
import { checkOptionsOfMany, type Guard, submit, submitMany } from '../sending/submit.ts';
import type { App } from './app.ts';
import { applyCall } from './running/apply.ts';
import type { AnyTask } from './task.ts';

/** @param guard see {@link submit} */
export function sendOrApply<R>(
  app: App,
  callee: Callee<AnyTask>,
  call: CallArguments,
  options: CallOptions,
  guard?: Guard,
): Promise<AsyncResult<R>> {
  return app.config.taskAlwaysEager
    ? apply(app, callee, call, options)
    : submit(app, callee, call, options, guard);
}

/** Many calls of one task. If one of them cannot be checked or encoded, none is sent or run. */
export async function sendOrApplyMany<R>(
  app: App,
  callee: Callee<AnyTask>,
  calls: readonly CallArguments[],
  options: CallOptions,
): Promise<AsyncResult<R>[]> {
  if (!app.config.taskAlwaysEager) return submitMany(app, callee, calls, options);
  checkOptionsOfMany(callee.name, options);
  const ready: PreparedCall[] = [];
  for (const call of calls) {
    const prepared = await checkedCall(app, callee, call, options);
    encodeCall(app, prepared.message, prepared.encoding); // throws if it cannot be encoded
    ready.push(prepared);
  }
  const results: AsyncResult<R>[] = [];
  for (const prepared of ready) results.push(await applyCall(app, callee, prepared));
  return results;
}

/** Runs one call in this process. */
export async function apply<R>(
  app: App,
  callee: Callee<AnyTask>,
  call: CallArguments,
  options: CallOptions,
): Promise<AsyncResult<R>> {
  checkCallOptions(callee.name, options);
  return applyCall(app, callee, await checkedCall(app, callee, call, options));
}

async function checkedCall(
  app: App,
  callee: Callee<AnyTask>,
  call: CallArguments,
  options: CallOptions,
): Promise<PreparedCall> {
  await checkArguments(callee, call);
  return prepareCall(app, callee.name, call.args, call.kwargs, options, callee.options);
}
