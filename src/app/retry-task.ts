// Runs a task of the history again, under a new id. The two name each other.
import { hostname } from 'node:os';
import type { CallOptions } from '../config/call-options.ts';
import { TaskNotRetriableError } from '../errors.ts';
import { unknown as nothing, type TaskFacts } from '../history/facts.ts';
import type { TaskRecord } from '../history/record.ts';
import { mayBeRedacted } from '../lib/redact.ts';
import { retryOfHeader } from '../protocol/event-details.ts';
import { decodeJson } from '../protocol/json.ts';
import type { AsyncResult } from '../results/async-result.ts';
import { checkShape } from '../sending/arguments.ts';
import { calleeNamed } from '../sending/callee.ts';
import type { Guard } from '../sending/submit.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import { sendOrApply } from './send-or-apply.ts';
import type { RetryTaskChanges } from './task-history.ts';

/** @throws TaskNotRetriableError, ConfigError, and what `app.send` throws: then nothing was sent */
export async function retryTask(
  app: App,
  store: HistoryStore,
  id: string,
  changes: RetryTaskChanges,
): Promise<AsyncResult<unknown>> {
  const result = await sendAgain(app, id, await store.get(id), changes);
  // After it was sent: a link to a task that nobody sent would be false. If this process dies in between, the message still names the old task.
  await store.merge([linkOf(id, result.id)], null);
  return result;
}

/**
 * Sends what the record says, as a new task, whose message names the old one.
 * @param sending the new task's id, and a guard of its publications
 * @throws as {@link retryTask}
 */
export function sendAgain(
  app: App,
  id: string,
  record: TaskRecord | null,
  changes: RetryTaskChanges,
  sending?: { readonly newId: string; readonly guard: Guard },
): Promise<AsyncResult<unknown>> {
  const { name, args, kwargs } = callOf(id, record, changes);
  checkShape(name, args, kwargs);
  const { queue = record?.queue, priority = record?.priority, eta, countdown } = changes;
  const options: CallOptions = {
    headers: { [retryOfHeader]: id },
    ...(sending && { taskId: sending.newId }),
    ...(queue && { queue }),
    ...(typeof priority !== 'undefined' && priority !== null && { priority }),
    ...(eta !== undefined && { eta }),
    ...(countdown !== undefined && { countdown }),
  };
  return sendOrApply(app, calleeNamed(app, name), { args, kwargs }, options, sending?.guard);
}

interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** @throws TaskNotRetriableError */
export function callOf(id: string, record: TaskRecord | null, changes: RetryTaskChanges): Call {
  if (record !== null && record.endedAt === null)
    throw new TaskNotRetriableError(id, `it has not ended (${record.state})`);
  return knownCall(id, record, changes);
}

/** The call of a task, whether it has ended or not. @throws TaskNotRetriableError */
export function knownCall(
  id: string,
  record: TaskRecord | null,
  changes: Pick<RetryTaskChanges, 'args' | 'kwargs'>,
): Call {
  if (record === null) throw new TaskNotRetriableError(id, 'the history has no such task');
  const { name } = record;
  if (name === null) throw new TaskNotRetriableError(id, 'its name is not known');
  return {
    name,
    args: changes.args ?? whole(id, 'args', record.args),
    kwargs: changes.kwargs ?? whole(id, 'kwargs', record.kwargs),
  };
}

/** Arguments as they were sent: typed values (dates, bytes) are values again. */
function whole<Value extends object>(id: string, what: 'args' | 'kwargs', value: Value | null): Value {
  const wayOut = `give them anew: { ${what}: … }, on the command line --${what}`;
  if (value === null)
    throw new TaskNotRetriableError(
      id,
      `its ${what} are not known whole: they were too long for an event, or come from Python, whose events have them only as text; ${wayOut}`,
    );
  const json = JSON.stringify(value);
  if (mayBeRedacted(json))
    throw new TaskNotRetriableError(
      id,
      `its ${what} held a secret, which the history does not have; ${wayOut}`,
    );
  const read = decodeJson(json);
  if (!read.ok)
    throw new TaskNotRetriableError(id, `its ${what} cannot be read: ${read.refusal.detail}; ${wayOut}`);
  return read.value as Value; // the same JSON, with typed values
}

let links = 0;

/** The old task's link to the new one. `when`: the same each time, if the link may be written twice. */
export function linkOf(
  id: string,
  newId: string,
  when: { readonly at: number; readonly clock: number; readonly node: string } = {
    at: Date.now(),
    clock: ++links,
    node: `gen${process.pid}@${hostname()}`,
  },
): TaskFacts {
  return { ...nothing, id, marks: [{ kind: 'resent', ...when, retriedAs: newId }] };
}
