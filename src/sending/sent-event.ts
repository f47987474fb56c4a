// Celery's event task-sent: for monitors if `taskSendSentEvent` is set, and for the history if a recorder is registered.
import { hostname } from 'node:os';
import { decodeOptions } from '../config/config.ts';
import { LamportClock } from '../lib/lamport.ts';
import { redactedRepr } from '../lib/redact.ts';
import { eventKey, eventsMessage } from '../protocol/event.ts';
import { eventDetails } from '../protocol/event-details.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Publication } from '../stores/transport.ts';
import { entryOf } from './history-writer.ts';
import type { SendingApp } from './sending-app.ts';

const clock = new LamportClock();
const type = 'task-sent';
const self = `gen${process.pid}@${hostname()}`;
/** The number of events in one message. */
const batch = 200;
/** How many events may wait for a broker that is away; further ones are dropped. */
const maxWaiting = 5_000;
/** The largest body, in bytes, that is decoded for its event: larger arguments are not told. */
const longestBody = 16_384;
/** Events of one tick travel together. */
const waiting = new WeakMap<SendingApp, string[]>();

/** What to tell of these publications; null: nobody wants it. */
export function sentEvents(app: SendingApp, publications: readonly Publication[]): SentEvents | null {
  const isKept = app.stores?.history?.on === true;
  if (!isKept && !app.config.taskSendSentEvent) return null;
  // A call that goes to several queues has one event.
  const events = new Map<string, string>();
  for (const publication of publications)
    if (!events.has(publication.id)) events.set(publication.id, eventJson(app, publication));
  return { events, isKept };
}

export interface SentEvents {
  /** JSON by the task's id. */
  readonly events: ReadonlyMap<string, string>;
  readonly isKept: boolean;
}

/** The publications with what the history is told of each, where that travels with them. */
export function withHistory(
  app: SendingApp,
  publications: readonly Publication[],
  { events, isKept }: SentEvents,
): readonly Publication[] {
  const writer = app.stores?.history ?? null;
  if (!isKept || writer === null) return publications;
  const told = new Set<string>();
  return publications.map((publication) => {
    const event = events.get(publication.id);
    if (event === undefined || told.has(publication.id) || publication.broadcast !== undefined)
      return publication;
    told.add(publication.id);
    const history = writer.writeOf(entryOf(event));
    return history === undefined ? publication : { ...publication, history };
  });
}

/** Tells of publications that were sent: monitors, and the history of what did not travel. The send does not wait for this, and does not fail with it. */
export function tellSent(app: SendingApp, publications: readonly Publication[], sent: SentEvents): void {
  if (sent.isKept) {
    const travelled = new Set(
      publications.filter(({ history }) => history !== undefined).map(({ id }) => id),
    );
    for (const [id, event] of sent.events)
      if (!travelled.has(id)) app.stores?.history?.append(entryOf(event));
  }
  if (app.config.taskSendSentEvent) emit(app, [...sent.events.values()]);
}

function emit(app: SendingApp, some: readonly string[]): void {
  const events = waiting.get(app) ?? [];
  if (events.length === 0) {
    waiting.set(app, events);
    queueMicrotask(() => void flush(app, events));
  }
  events.push(...some.slice(0, Math.max(0, maxWaiting - events.length)));
}

function eventJson(app: SendingApp, publication: Publication): string {
  const json = JSON.stringify(eventOf(publication));
  const { queue, message } = publication;
  // Bytes, not the caller's values: it may have changed those since it sent them.
  const read = message.body.length > longestBody ? null : decodeTask(message, decodeOptions(app.config));
  return read?.ok ? `${json.slice(0, -1)},"umbel":${eventDetails(read.value, queue, null)}}` : json;
}

function eventOf({ queue, message }: Publication): object {
  const { exchange = '', routing_key = queue } = message.properties.deliveryInfo;
  const { id, task, shadow, argsrepr, kwargsrepr, root_id, parent_id, retries, eta, expires } =
    message.headers;
  const now = Date.now();
  return {
    type,
    hostname: self,
    timestamp: now / 1000,
    utcoffset: Math.floor(new Date(now).getTimezoneOffset() / 60),
    pid: process.pid,
    clock: clock.forward(),
    uuid: id,
    name: shadow ?? task,
    args: redactedRepr(String(argsrepr)),
    kwargs: redactedRepr(String(kwargsrepr)),
    root_id,
    parent_id,
    retries,
    eta,
    expires,
    queue,
    exchange,
    routing_key,
  };
}

async function flush(app: SendingApp, events: string[]): Promise<void> {
  const fanout = app.stores?.transport.fanout;
  const { events: target } = app.exchanges;
  while (events.length > 0) {
    const some = events.splice(0, batch);
    const [text, key] =
      some.length === 1 ? [some[0] ?? '', eventKey(type)] : [`[${some.join(',')}]`, 'task.multi'];
    await fanout?.publish(target, key, eventsMessage(target.name, text, self, key)).catch(() => undefined);
  }
}
