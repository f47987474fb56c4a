// The messages that wait in a queue, looked at without taking them, and since when its oldest one waits.
import { decodeOptions } from '../config/config.ts';
import { CannotPeekError } from '../errors.ts';
import { timeOfId } from '../lib/uuid.ts';
import type { WireMessage } from '../protocol/message.ts';
import { decodeTask } from '../protocol/task.ts';
import type { PeekedMessage, Transport } from '../stores/transport.ts';
import type { App } from './app.ts';
import { checkLimit } from './list-limit.ts';
import type { PeekQueueOptions, WaitingTask } from './queues.ts';

/** @throws ConfigError, CannotPeekError, BrokerUnavailable */
export async function waitingTasks(
  app: App,
  queue: string,
  { place = 'ready', first = 'next', limit = 25 }: PeekQueueOptions,
): Promise<readonly WaitingTask[]> {
  checkLimit(limit, 'peek', maxPeeked);
  const broker = await app.broker();
  if (broker.peek === undefined) throw new CannotPeekError(broker.name, queue);
  const found = await broker.peek(queue, { place, first, limit });
  return found.map((each) => waitingTask(app, each));
}

const maxPeeked = 1_000;

function waitingTask(app: App, { position, due, message }: PeekedMessage): WaitingTask {
  const place = { position: position ?? 0, due };
  if (message === null)
    return { ...place, waitsSince: null, problem: 'too large to be shown with the others', call: null };
  const since = message.ok ? waitingSince(message.value) : null;
  const read = message.ok ? decodeTask(message.value, decodeOptions(app.config)) : message;
  const waitsSince = since === null ? null : new Date(since);
  if (!read.ok) return { ...place, waitsSince, problem: read.refusal.detail, call: null };
  const {
    id,
    task,
    args,
    kwargs,
    argsrepr,
    kwargsrepr,
    retries,
    eta,
    expires,
    priority,
    parentId,
    rootId,
    origin,
  } = read.value;
  const call = {
    id,
    task,
    args,
    kwargs,
    argsrepr,
    kwargsrepr,
    retries,
    eta,
    expires,
    priority,
    parentId,
    rootId,
    origin,
  };
  return { ...place, waitsSince, problem: null, call };
}

/**
 * Since when the oldest ready message of a queue waits, milliseconds since 1970; null: none waits, or it is not known. Messages of low priority
 * count, too.
 */
export async function oldestSince(broker: Transport, queue: string): Promise<number | null> {
  const heads = await broker.peek?.(queue, { place: 'ready', heads: true, first: 'next', limit: 300 });
  const times = (heads ?? []).map(({ message }) => (message?.ok ? waitingSince(message.value) : null));
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** When its wait began: as its id says, if that is of ours (the time is in it), or its ETA, if that was later. */
export function waitingSince({
  headers,
  properties,
}: Pick<WireMessage, 'headers' | 'properties'>): number | null {
  const id = typeof headers.id === 'string' ? headers.id : properties.correlationId;
  const made = id === null ? null : timeOfId(id);
  if (made === null) return null;
  const eta = typeof headers.eta === 'string' ? Date.parse(headers.eta) : Number.NaN;
  return Number.isFinite(eta) ? Math.max(made, eta) : made;
}
