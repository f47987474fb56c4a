// Celery's event task-sent: for monitors if `taskSendSentEvent` is set, and for the history if a recorder is registered.
import { hostname } from 'node:os';
import { decodeOptions } from '../config/config.ts';
import { LamportClock } from '../lib/lamport.ts';
import { redactedRepr } from '../lib/redact.ts';
import { eventKey, eventsMessage } from '../protocol/event.ts';
import { eventDetails } from '../protocol/event-details.ts';
import type { WireMessage } from '../protocol/message.ts';
import { decodeTask } from '../protocol/task.ts';
import type { Publication } from '../stores/transport.ts';
import { ofEvents, sentNoteProperty } from './history-writer.ts';
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
  const whole = new Set<string>();
  for (const publication of publications) {
    const { id } = publication;
    if (events.has(id)) continue;
    const details = detailsOf(app, publication);
    if (details !== null) whole.add(id);
    events.set(id, eventJson(publication, details));
  }
  return { events, whole, isKept };
}

export interface SentEvents {
  /** JSON by the task's id. */
  readonly events: ReadonlyMap<string, string>;
  /** The ids of the tasks whose event tells all that is known of them. */
  readonly whole: ReadonlySet<string>;
  readonly isKept: boolean;
}

/** The publications with what the history is told of each, where that travels with them, and a note that their workers need not tell it again. */
export function withHistory(
  app: SendingApp,
  publications: readonly Publication[],
  { events, whole, isKept }: SentEvents,
): readonly Publication[] {
  const writer = app.stores?.history ?? null;
  if (!isKept || writer === null) return publications;
  const told = new Set<string>();
  const note = writer.sentNote();
  return publications.map((publication) => {
    const event = events.get(publication.id);
    if (event === undefined || told.has(publication.id) || publication.broadcast !== undefined)
      return publication;
    told.add(publication.id);
    const history = writer.writeOf(ofEvents(event));
    if (history === undefined) return publication;
    const { message } = publication;
    return {
      ...publication,
      history,
      ...(note !== null && whole.has(publication.id) && { message: noted(message, note) }),
    };
  });
}

function noted(message: WireMessage, note: string): WireMessage {
  const { properties } = message;
  const other = { ...properties.other, [sentNoteProperty]: note };
  return { ...message, properties: { ...properties, other } };
}

/** Tells of publications that were sent: monitors, and the history of what did not travel. The send does not wait for this, and does not fail with it. */
export function tellSent(app: SendingApp, publications: readonly Publication[], sent: SentEvents): void {
  if (sent.isKept) {
    const travelled = new Set(
      publications.filter(({ history }) => history !== undefined).map(({ id }) => id),
    );
    for (const [id, event] of sent.events)
      if (!travelled.has(id)) app.stores?.history?.append(ofEvents(event));
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

function eventJson(publication: Publication, details: string | null): string {
  const json = JSON.stringify(eventOf(publication));
  return details === null ? json : `${json.slice(0, -1)},"umbel":${details}}`;
}

/** Null: its body is too large, or this application cannot read it. */
function detailsOf(app: SendingApp, { queue, message }: Publication): string | null {
  if (message.body.length > longestBody) return null;
  // Bytes, not the caller's values: it may have changed those since it sent them.
  const read = decodeTask(message, decodeOptions(app.config));
  return read.ok ? eventDetails(read.value, queue, null) : null;
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
