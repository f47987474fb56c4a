// Sending: from the arguments of a call to its result handle.

import { type CallOptions, checkCallOptions } from '../config/call-options.ts';
import { ConfigError } from '../errors.ts';
import { AsyncResult } from '../results/async-result.ts';
import { taskScope } from '../results/task-scope.ts';
import type { Publication } from '../stores/transport.ts';
import { announced } from './announce.ts';
import { type CallArguments, type Callee, checkArguments } from './callee.ts';
import { publishCalls, rulesOf, within } from './publish.ts';
import { asUnique, publishUnique } from './send-unique.ts';
import {
  addressedCall,
  type EncodedCall,
  encodeCall,
  type PreparedCall,
  prepareCall,
  publicationsOf,
} from './sender.ts';
import type { SendingApp } from './sending-app.ts';
import { tellSent } from './sent-event.ts';

/** Changes what goes to the broker, when all else is decided. */
export type Guard = (publications: readonly Publication[]) => readonly Publication[];

/**
 * Sends one call.
 */
export async function submit<R>(
  app: SendingApp,
  callee: Callee,
  call: CallArguments,
  options: CallOptions,
  guard?: Guard,
): Promise<AsyncResult<R>> {
  checkCallOptions(callee.name, options);
  // No `await` where there is nothing to wait for: the calls of one tick are to reach the broker together.
  const checked = checkArguments(callee, call);
  if (checked !== undefined) await checked;
  let prepared = prepareCall(app, callee.name, call.args, call.kwargs, options, callee.options);
  if (app.signals.beforeTaskPublish.connected) prepared = await announced(app, prepared);
  const { unique: rule } = callee.options;
  const sole = rule === null ? null : asUnique(prepared, rule);
  if (sole !== null) prepared = sole.prepared;
  // Written before the stores are opened: what the caller changes meanwhile changes nothing.
  const wire = encodeCall(app, prepared.message, prepared.encoding);
  const rules = rulesOf(app, options);
  const { transport } = app.stores ?? (await within(app.open(), rules));
  const addressed = addressedCall(app, { prepared, wire });
  const encoded = addressed instanceof Promise ? await within(addressed, rules) : addressed;
  const publications = publicationsOf(app, encoded);
  const publish = (all: readonly Publication[]): Promise<void> =>
    publishCalls(transport, guard === undefined ? all : guard(all), rules);
  if (sole === null) await publish(publications);
  else {
    const existing = await publishUnique(app, sole.unique, publications, publish);
    if (existing !== null) return new AsyncResult<R>(existing, app.results);
  }
  if (app.config.taskSendSentEvent) tellSent(app, publications);
  return sent(app, prepared, options);
}

/** Sends many calls of one task with one publication. Either all of them are checked and written, or none is sent. */
export async function submitMany<R>(
  app: SendingApp,
  callee: Callee,
  calls: readonly CallArguments[],
  options: CallOptions,
): Promise<AsyncResult<R>[]> {
  checkOptionsOfMany(callee.name, options);
  if (callee.options.unique !== null)
    return Promise.all(calls.map((call) => submit<R>(app, callee, call, options)));
  const ready: EncodedCall[] = [];
  for (const call of calls) {
    const checked = checkArguments(callee, call);
    if (checked !== undefined) await checked;
    let prepared = prepareCall(app, callee.name, call.args, call.kwargs, options, callee.options);
    if (app.signals.beforeTaskPublish.connected) prepared = await announced(app, prepared);
    ready.push({ prepared, wire: encodeCall(app, prepared.message, prepared.encoding) });
  }
  if (ready.length === 0) return [];
  const rules = rulesOf(app, options);
  const { transport } = app.stores ?? (await within(app.open(), rules));
  const publications: Publication[] = [];
  for (const call of ready) {
    const addressed = addressedCall(app, call);
    const encoded = addressed instanceof Promise ? await within(addressed, rules) : addressed;
    publications.push(...publicationsOf(app, encoded));
  }
  await publishCalls(transport, publications, rules);
  if (app.config.taskSendSentEvent) tellSent(app, publications);
  const results: AsyncResult<R>[] = [];
  for (const { prepared } of ready)
    results.push(
      app.signals.afterTaskPublish.connected
        ? await sent(app, prepared, options)
        : noted(app, prepared, options),
    );
  return results;
}

/** @throws ConfigError, UnknownOptionError */
export function checkOptionsOfMany(name: string, options: CallOptions): void {
  checkCallOptions(name, options);
  // An id is sent once: all but the first would silently be nothing.
  if (options.taskId !== undefined)
    throw new ConfigError(`'taskId' in the calls of '${name}' would be that of all of them`);
}

function sent<R>(
  app: SendingApp,
  call: PreparedCall,
  options: CallOptions,
): AsyncResult<R> | Promise<AsyncResult<R>> {
  const result = noted<R>(app, call, options);
  const { afterTaskPublish } = app.signals;
  if (!afterTaskPublish.connected) return result;
  return afterTaskPublish.send({ message: call.message, queue: call.queue }).then(() => result);
}

/** The running task remembers what it has sent. */
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
