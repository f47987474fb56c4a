// Changing when, where and how urgently tasks run that wait in a queue.
import { decodeOptions } from '../config/config.ts';
import { checkNamed, priority as priorityCheck, priorityNumber } from '../config/priority.ts';
import { ConfigError } from '../errors.ts';
import { toMs } from '../lib/duration.ts';
import type { TaskMessage, WireMessage } from '../protocol/message.ts';
import { decodeTask, encodeTask } from '../protocol/task.ts';
import { formatTimestamp } from '../protocol/timestamp.ts';
import { scaleOf } from '../sending/address.ts';
import type { PlacedMessage, WaitingDecision } from '../stores/waiting.ts';
import type { App } from './app.ts';
import { checkTarget, chooser, idOf } from './change-waiting.ts';
import { waitingMatcher } from './match-waiting.ts';
import type { RescheduleChanges, RescheduleOptions, TasksChanged, WaitingChoice } from './queues.ts';

/** Makes tasks ready that wait for their time. @throws as {@link reschedule} */
export function promote(app: App, which: WaitingChoice, options: RescheduleOptions): Promise<TasksChanged> {
  const now = Date.now();
  return changeTasks(app, which, options, ['task.promote', ''], (task, { due }, queue) =>
    due === null && (task.eta === null || task.eta.getTime() <= now)
      ? null
      : { queue, eta: null, due: null, priority: null },
  );
}

/** @throws ConfigError, QuerySyntaxError, ReservedNameError, CannotChangeWaitingError, BrokerUnavailable */
export function reschedule(
  app: App,
  which: WaitingChoice,
  changes: RescheduleChanges,
  options: RescheduleOptions,
): Promise<TasksChanged> {
  const { eta: newEta, countdown, queue: newQueue, priority } = changes;
  if (newEta === undefined && countdown === undefined && newQueue === undefined && priority === undefined)
    throw new ConfigError("say what changes: 'eta' or 'countdown', 'queue' or 'priority'");
  if (newEta !== undefined && countdown !== undefined)
    throw new ConfigError("'countdown' and 'eta' say two different times; give one of them");
  if (newEta !== undefined && Number.isNaN(newEta.getTime())) throw new ConfigError("'eta' is no valid Date");
  if (newQueue !== undefined) checkTarget(app, newQueue);
  if (priority !== undefined && priorityCheck.accept(priority, "'priority'") === undefined)
    throw new ConfigError(`'priority' must be ${priorityCheck.expected}, not ${String(priority)}`);
  checkNamed(priority ?? null, app.config.taskDefaultPriority, "'priority'");
  const time = countdown === undefined ? newEta : new Date(Date.now() + toMs(countdown, "'countdown'"));
  const terms = [
    time && `eta ${time.toISOString()}`,
    newQueue !== undefined && `queue ${newQueue}`,
    priority !== undefined && `priority ${priority}`,
  ];
  const said = `${terms.filter(Boolean).join(', ')}: `;
  return changeTasks(app, which, options, ['task.reschedule', said], (task, { due }, queue) => ({
    queue: newQueue ?? queue,
    eta: time ?? task.eta,
    due: time ?? due,
    priority: priority === undefined ? null : priorityNumber(priority, scaleOf(app, newQueue ?? queue)),
  }));
}

/** What becomes of a task that waits; `priority` null: it stays as it is. */
interface NewTerms {
  readonly queue: string;
  readonly eta: Date | null;
  /** When it is due for the store: also the delay of a retry, or of a limit. */
  readonly due: Date | null;
  readonly priority: number | null;
}

/** Changes the tasks that are meant, and for which `termsOf` does not return null. */
async function changeTasks(
  app: App,
  which: WaitingChoice,
  { dryRun = false }: RescheduleOptions,
  [action, terms]: readonly [action: string, terms: string],
  termsOf: (task: TaskMessage, found: PlacedMessage, queue: string) => NewTerms | null,
): Promise<TasksChanged> {
  const ids =
    typeof which === 'string' ? new Set([which]) : Array.isArray(which) ? new Set<string>(which) : null;
  const query = ids === null ? (which as { readonly query: string }).query : ''; // it is no id and no list
  if (ids?.size === 0 || (ids === null && (typeof query !== 'string' || query.trim() === '')))
    throw new ConfigError('say which tasks: their ids, or { query } with a query that is not empty');
  const matches = waitingMatcher(query, Date.now());
  const broker = await app.broker();
  chooser(broker, app.config.taskDefaultQueue); // refuses before anything is written
  if (!dryRun) await app.audit.record(action, `${terms}${ids === null ? query : [...ids].join(' ')}`);
  const done = new Set<string>();
  // What was changed may be found again at its new place.
  const decided = new Set<string>();
  for (const queue of await queuesOf(app)) {
    if (ids !== null && done.size >= ids.size) break;
    await chooser(broker, queue)(queue, {
      places: ['scheduled', 'ready'],
      limit: ids === null ? Number.POSITIVE_INFINITY : ids.size - done.size,
      decide: (found) => {
        const id = idOf(found.message);
        if (!found.message.ok || id === null || decided.has(id) || ids?.has(id) === false) return 'keep';
        const read = decodeTask(found.message.value, decodeOptions(app.config));
        if (!read.ok || !matches({ task: read.value, queue, due: found.due })) return 'keep';
        const terms = termsOf(read.value, found, queue);
        if (terms === null) return 'keep';
        decided.add(id);
        if (!dryRun) return placeOf(found.message.value, read.value, terms);
        done.add(id);
        return 'keep';
      },
      changed: (messages) => {
        for (const { message } of messages) done.add(idOf(message) ?? '');
      },
    });
  }
  return { done: [...done], missing: ids === null ? [] : [...ids].filter((id) => !done.has(id)) };
}

async function queuesOf(app: App): Promise<Iterable<string>> {
  const broker = await app.broker();
  return new Set([app.config.taskDefaultQueue, ...app.topology.named, ...(await broker.queues())]);
}

function placeOf(
  wire: WireMessage,
  task: TaskMessage,
  { queue, eta, due, priority }: NewTerms,
): WaitingDecision {
  const message = withTerms(wire, task, eta, priority ?? task.priority);
  return { queue, due, message };
}

/** The same call with another time and priority. A call of protocol 1, whose time is in its body, becomes one of protocol 2. */
function withTerms(wire: WireMessage, task: TaskMessage, eta: Date | null, priority: number): WireMessage {
  if (typeof wire.headers.task !== 'string') {
    const { exchange, routing_key: routingKey } = wire.properties.deliveryInfo;
    return encodeTask({ ...task, eta, priority }, { exchange, routingKey });
  }
  return {
    ...wire,
    headers: { ...wire.headers, eta: eta === null ? null : formatTimestamp(eta) },
    properties: { ...wire.properties, priority },
  };
}
