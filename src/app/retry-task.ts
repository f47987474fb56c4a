// Runs a task of the history again, under a new id. The two name each other.
import { hostname } from 'node:os';
import type { SendOptions } from '../config/call-options.ts';
import { TaskNotRetriableError } from '../errors.ts';
import { unknown as nothing, type TaskFacts } from '../history/facts.ts';
import type { TaskRecord } from '../history/record.ts';
import { mayBeRedacted } from '../lib/redact.ts';
import { retryOfHeader } from '../protocol/event-details.ts';
import { decodeJson } from '../protocol/json.ts';
import type { AsyncResult } from '../results/async-result.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import type { RetryTaskChanges } from './task-history.ts';

/** @throws TaskNotRetriableError, ConfigError, and what `app.send` throws: then nothing was sent */
export async function retryTask(
  app: App,
  store: HistoryStore,
  id: string,
  changes: RetryTaskChanges,
): Promise<AsyncResult<unknown>> {
  const record = await store.get(id);
  const { name, args, kwargs } = callOf(id, record, changes);
  const { queue = record?.queue, priority = record?.priority, eta, countdown } = changes;
  const options: SendOptions = {
    kwargs,
    headers: { [retryOfHeader]: id },
    ...(queue && { queue }),
    ...(typeof priority !== 'undefined' && priority !== null && { priority }),
    ...(eta !== undefined && { eta }),
    ...(countdown !== undefined && { countdown }),
  };
  const result = await app.send(name, args, options);
  // After it was sent: a link to a task that nobody sent would be false. If this process dies in between, the message still names the old task.
  await store.merge([linkOf(id, result.id)], null);
  return result;
}

interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

function callOf(id: string, record: TaskRecord | null, changes: RetryTaskChanges): Call {
  if (record === null) throw new TaskNotRetriableError(id, 'the history has no such task');
  const { name, state, endedAt } = record;
  if (endedAt === null) throw new TaskNotRetriableError(id, `it has not ended (${state})`);
  if (name === null) throw new TaskNotRetriableError(id, 'nobody told its name');
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
      `its ${what} are not known whole: they were too long for an event, or a Python program told them, as text; ${wayOut}`,
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

function linkOf(id: string, newId: string): TaskFacts {
  const node = `gen${process.pid}@${hostname()}`;
  return {
    ...nothing,
    id,
    marks: [{ kind: 'resent', at: Date.now(), clock: ++links, node, retriedAs: newId }],
  };
}
