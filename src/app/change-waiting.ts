// Deleting messages that wait in a queue, and moving them to another one.
import { decodeOptions } from '../config/config.ts';
import { CannotChangeWaitingError, ConfigError } from '../errors.ts';
import { decodeTask } from '../protocol/task.ts';
import { checkQueueName } from '../stores/reserved-names.ts';
import type { Transport } from '../stores/transport.ts';
import type { PlacedMessage } from '../stores/waiting.ts';
import type { App } from './app.ts';
import { checkLimit } from './list-limit.ts';
import { type WaitingCandidate, waitingMatcher } from './match-waiting.ts';
import type { MoveQueueOptions, PurgeQueueOptions } from './queues.ts';

/** Where a store can, the records that these calls were sent are deleted, too. Returns the number of messages. */
export async function purgeQueue(app: App, queue: string, options: PurgeQueueOptions): Promise<number> {
  const { query = '', dryRun = false } = options;
  const [broker, backend] = [await app.broker(), await app.backend()];
  const isMeant = query === '' ? null : messageMatcher(app, queue, query);
  if (dryRun) return countWaiting(broker, queue, isMeant, Number.POSITIVE_INFINITY);
  const choose = isMeant === null ? null : chooser(broker, queue);
  await app.audit.record('queue.purge', query === '' ? queue : `${queue}: ${query}`);
  const forget = async (ids: readonly string[]): Promise<void> => backend?.forgetPending?.(ids);
  if (isMeant === null || choose === null) return broker.purge(queue, forget);
  return choose(queue, {
    places,
    limit: Number.POSITIVE_INFINITY,
    decide: (found) => (isMeant(found) ? 'delete' : 'keep'),
    changed: (messages) => forget(messages.flatMap(({ message }) => idOf(message) ?? [])),
  });
}

/** @throws ConfigError, QuerySyntaxError, CannotChangeWaitingError, ReservedNameError, BrokerUnavailable */
export async function moveWaiting(
  app: App,
  from: string,
  to: string,
  { query = '', limit = Number.POSITIVE_INFINITY, dryRun = false }: MoveQueueOptions,
): Promise<number> {
  if (limit !== Number.POSITIVE_INFINITY) checkLimit(limit, 'move');
  checkTarget(app, to);
  if (from === to) throw new ConfigError(`the messages of '${from}' are there already: name another queue`);
  const broker = await app.broker();
  const isMeant = query === '' ? null : messageMatcher(app, from, query);
  if (dryRun) return countWaiting(broker, from, isMeant, limit);
  const change = isMeant === null ? changer(broker, from) : chooser(broker, from);
  const which = [query, ...(limit === Number.POSITIVE_INFINITY ? [] : [`at most ${limit}`])].filter(
    (text) => text !== '',
  );
  await app.audit.record('queue.move', `${from} -> ${to}${which.length > 0 ? `: ${which.join(', ')}` : ''}`);
  return change(from, {
    places,
    limit,
    decide: (found) =>
      isMeant === null || isMeant(found) ? { queue: to, due: found.due, message: null } : 'keep',
  });
}

const places = ['ready', 'scheduled'] as const;

/** @throws ConfigError for a broadcast queue, which keeps no messages; ReservedNameError */
export function checkTarget(app: App, queue: string): void {
  checkQueueName(queue);
  if (app.topology.broadcast(queue) !== undefined)
    throw new ConfigError(`'${queue}' is a broadcast queue, which keeps no messages: name another queue`);
}

type Change = NonNullable<Transport['changeWaiting']>;

/** @throws CannotChangeWaitingError */
function changer(broker: Transport, queue: string): Change {
  const change = broker.changeWaiting?.bind(broker);
  if (change === undefined) throw new CannotChangeWaitingError(broker.name, queue);
  return change;
}

/** Can choose messages by their contents. @throws CannotChangeWaitingError */
export function chooser(broker: Transport, queue: string): Change {
  if (!broker.features.choosesWaiting) throw new CannotChangeWaitingError(broker.name, queue);
  return changer(broker, queue);
}

async function countWaiting(
  broker: Transport,
  queue: string,
  isMeant: ((found: PlacedMessage) => boolean) | null,
  limit: number,
): Promise<number> {
  if (isMeant === null) {
    const { ready, scheduled } = await broker.size(queue);
    return Math.min(limit, ready + scheduled);
  }
  let count = 0;
  const decide = (found: PlacedMessage): 'keep' => {
    if (isMeant(found)) count++;
    return 'keep';
  };
  await chooser(broker, queue)(queue, { places, limit, decide });
  return Math.min(count, limit);
}

/** Messages that are no tasks are never meant. @throws QuerySyntaxError */
function messageMatcher(app: App, queue: string, query: string): (found: PlacedMessage) => boolean {
  const matches = waitingMatcher(query, Date.now());
  return (found) => {
    const candidate = candidateOf(app, queue, found);
    return candidate !== null && matches(candidate);
  };
}

function candidateOf(app: App, queue: string, { due, message }: PlacedMessage): WaitingCandidate | null {
  const read = message.ok ? decodeTask(message.value, decodeOptions(app.config)) : null;
  return read?.ok ? { task: read.value, queue, due } : null;
}

/** The id of the task; null: it has none that can be read. */
export function idOf(message: PlacedMessage['message']): string | null {
  if (!message.ok) return null;
  const { headers, properties } = message.value;
  return typeof headers.id === 'string' ? headers.id : properties.correlationId;
}
