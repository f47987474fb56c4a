// From the arguments of a call to the result of sending it.

import { type CallOptions, checkCallOptions } from '../config/call-options.ts';
import type { UniqueRule } from '../config/unique-options.ts';
import { ConfigError } from '../errors.ts';
import { AsyncResult } from '../results/async-result.ts';
import { taskScope } from '../results/task-scope.ts';
import type { Publication } from '../stores/transport.ts';
import { type CallArguments, type Callee, checkArguments } from './callee.ts';
import { type PreparedCall, prepareCall } from './prepare.ts';
import { type PublishRules, rulesOf } from './publish.ts';
import { type Sending, send } from './send.ts';
import { asUnique, publishUnique } from './send-unique.ts';
import type { SendingApp } from './sending-app.ts';

/** Changes the publications just before they are sent. */
export type Guard = (publications: readonly Publication[]) => readonly Publication[];

/** Sends one call. Throws as {@link send}, and as {@link publishUnique}. */
export async function submit<R>(
  app: SendingApp,
  callee: Callee,
  call: CallArguments,
  options: CallOptions,
  guard?: Guard,
): Promise<AsyncResult<R>> {
  checkCallOptions(callee.name, options);
  // No `await` where nothing is to be waited for: calls of one tick should reach the broker together.
  const checked = checkArguments(callee, call);
  if (checked !== undefined) await checked;
  const prepared = prepareCall(app, callee.name, call.args, call.kwargs, options, callee.options);
  const rules = rulesOf(app, options);
  const { unique: rule } = callee.options;
  if (rule !== null) {
    const existing = await sendUnique(app, prepared, rule, rules, guard);
    if (existing !== null) return new AsyncResult<R>(existing, app.results);
  } else await send(app, [prepared], guard === undefined ? { rules } : { rules, publish: guarded(guard) });
  return noted(app, prepared, options);
}

/** Sends many calls of one task with one publication. If one of them cannot be checked or encoded, none is sent. */
export async function submitMany<R>(
  app: SendingApp,
  callee: Callee,
  calls: readonly CallArguments[],
  options: CallOptions,
): Promise<AsyncResult<R>[]> {
  checkOptionsOfMany(callee.name, options);
  if (callee.options.unique !== null)
    return Promise.all(calls.map((call) => submit<R>(app, callee, call, options)));
  const prepared: PreparedCall[] = [];
  for (const call of calls) {
    const checked = checkArguments(callee, call);
    if (checked !== undefined) await checked;
    prepared.push(prepareCall(app, callee.name, call.args, call.kwargs, options, callee.options));
  }
  if (prepared.length > 0) await send(app, prepared, { rules: rulesOf(app, options) });
  return prepared.map((call) => noted<R>(app, call, options));
}

/** @throws ConfigError, UnknownOptionError */
export function checkOptionsOfMany(name: string, options: CallOptions): void {
  checkCallOptions(name, options);
  // The store takes an id once: all calls but the first would be dropped silently.
  if (options.taskId !== undefined)
    throw new ConfigError(`'taskId' in the calls of '${name}' would be that of all of them`);
}

function guarded(guard: Guard): NonNullable<Sending['publish']> {
  return async (publications, publish) => {
    await publish(guard(publications));
    return true;
  };
}

/** @returns the id of the task that exists already, or null: sent. Throws as {@link publishUnique}. */
async function sendUnique(
  app: SendingApp,
  call: PreparedCall,
  rule: UniqueRule,
  rules: PublishRules,
  guard: Guard | undefined,
): Promise<string | null> {
  const { unique, headers } = asUnique(call, rule);
  const found: { existing: string | null } = { existing: null };
  await send(app, [call], {
    rules,
    headers,
    publish: async (publications, publish) => {
      found.existing = await publishUnique(app, unique, publications, (all) =>
        publish(guard === undefined ? all : guard(all)),
      );
      return found.existing === null;
    },
  });
  return found.existing;
}

/** Adds the call to the children of the running task. */
function noted<R>(app: SendingApp, call: PreparedCall, options: CallOptions): AsyncResult<R> {
  const { message } = call;
  const parent = taskScope.getStore();
  if (parent?.options.trail && options.addToParent !== false)
    parent.request.children.push([[message.id, null], null]);
  return new AsyncResult<R>(message.id, app.results, null, {
    queue: call.queue,
    rootId: message.rootId,
  });
}
