// Celery's events: what happened to a task or a worker, sent to all listeners.
import { broadcastMessage, readBroadcast } from './broadcast.ts';
import type { Decoded, Json, WireMessage } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';

/** An event on the wire. It has these fields, and the fields of its type. */
export interface WireEvent {
  /** `task-succeeded`, `worker-heartbeat`, or a type of the user's own. */
  readonly type: string;
  /** Node name of the sender. */
  readonly hostname: string;
  /** Seconds since 1970, with a fraction. */
  readonly timestamp: number;
  /** Hours west of UTC, as Celery counts them. */
  readonly utcoffset: number;
  /** Process id of the sender. */
  readonly pid: number;
  /** The logical time. */
  readonly clock: number;
  readonly [field: string]: unknown;
}

/** The routing key of an event type: `task.succeeded` for `task-succeeded`. */
export function eventKey(type: string): string {
  return type.replaceAll('-', '.');
}

export function eventMessage(exchange: string, event: WireEvent, routingKey: string): WireMessage {
  return eventsMessage(exchange, JSON.stringify(event), event.hostname, routingKey);
}

/**
 * `exchange`: its name. `json`: an event, or a list of events of one group (`task.multi`).
 * @internal
 */
export function eventsMessage(
  exchange: string,
  json: string | Buffer,
  hostname: string,
  routingKey: string,
): WireMessage {
  return broadcastMessage(json, { hostname }, { exchange, routingKey });
}

/** Reads the one or more events of a message. Never throws; items of a list that are not events are left out. */
export function readEvents(message: Decoded<WireMessage>): Decoded<readonly WireEvent[]> {
  if (!message.ok) return message;
  const payload = readBroadcast(message.value, ['json', 'yaml', 'msgpack']);
  if (!payload.ok) return payload;
  const many: readonly unknown[] = Array.isArray(payload.value) ? payload.value : [payload.value];
  const events = many.map(asEvent).filter((event) => event !== null);
  return events.length > 0 || many.length === 0
    ? accept(events)
    : refuse('body', `the body is ${kindOf(payload.value)}, not an event`);
}

/**
 * The events in an entry of the history: a list of them in JSON. Some are brief, without `pid`: one without `uuid` has the task and the node of the event
 * before it. `arrived` tells of the `task-received` and the `task-started` before a brief event; `umbel-arrived` tells nothing else. `umbel-ended` tells of
 * tasks that came, began and succeeded, each as `[uuid, received, started, ended, runtime, clock, result, about]`: the first three in milliseconds after
 * `timestamp`, then microseconds; no result is None; `about` has fields of the `task-received`. Where neither `about` nor `arrived` has any, the sender has
 * told them. Never throws; what is no event is left out.
 */
export function eventsIn(json: string): readonly WireEvent[] {
  const events: WireEvent[] = [];
  try {
    const many: unknown = JSON.parse(json);
    for (const each of Array.isArray(many) ? (many as readonly unknown[]) : []) {
      const event = asEvent(each);
      if (event === null) continue;
      if (event.type === 'umbel-ended') events.push(...endedIn(event));
      else if (isBrief(each)) events.push(...withArrival(whole(event, events.at(-1))));
      else events.push(event);
    }
  } catch {
    return [];
  }
  return events;
}

function isBrief(event: unknown): boolean {
  return isMap(event) && !('pid' in event);
}

function whole(event: WireEvent, before: WireEvent | undefined): WireEvent {
  return 'uuid' in event || before === undefined
    ? event
    : { ...event, uuid: before.uuid, hostname: before.hostname };
}

function withArrival(event: WireEvent): readonly WireEvent[] {
  const { arrived, ...rest } = event;
  if (!isMap(arrived)) return [event];
  const { uuid, hostname, utcoffset, pid, clock, type } = event;
  const { name, queue, received, started, ...about } = arrived;
  const same = { uuid, hostname, utcoffset, pid, clock };
  const events: WireEvent[] = [receivedEvent(same, finite(received) / 1000, { name, queue }, about)];
  if (started !== undefined)
    events.push({ ...same, type: 'task-started', timestamp: finite(started) / 1000 });
  if (type !== 'umbel-arrived') events.push({ ...rest, ...same, type, timestamp: event.timestamp });
  return events;
}

function endedIn({
  hostname,
  utcoffset,
  pid,
  timestamp,
  name,
  queue,
  ends,
}: WireEvent): readonly WireEvent[] {
  const baseMs = Math.round(timestamp * 1000);
  return (Array.isArray(ends) ? (ends as readonly unknown[]) : []).flatMap((end) => {
    if (!Array.isArray(end)) return [];
    const [uuid, received, started, ended, runtime, clock, told, about] = end as readonly unknown[];
    const same = { uuid, hostname, utcoffset, pid, clock: finite(clock) };
    const at = (ms: unknown): number => (baseMs + finite(ms)) / 1000;
    const result = told ?? 'None';
    return [
      receivedEvent(same, at(received), { name, queue }, isMap(about) ? about : {}),
      { ...same, type: 'task-started', timestamp: at(started) },
      { ...same, type: 'task-succeeded', timestamp: at(ended), result, runtime: finite(runtime) / 1e6 },
    ];
  });
}

/** `about`: what its sender has not told. */
function receivedEvent(
  same: Pick<WireEvent, 'uuid' | 'hostname' | 'utcoffset' | 'pid' | 'clock'>,
  timestamp: number,
  { name, queue }: { readonly name: unknown; readonly queue: unknown },
  about: Json,
): WireEvent {
  const fields = 'umbel' in about ? { root_id: same.uuid, ...about } : { umbel: { queue, attempt: 1 } };
  return { retries: 0, ...fields, ...same, type: 'task-received', timestamp, name };
}

function asEvent(value: unknown): WireEvent | null {
  if (!isMap(value) || typeof value.type !== 'string' || value.type === '') return null;
  const { type, hostname, timestamp, utcoffset, pid, clock } = value;
  return {
    ...(value as Json),
    type,
    hostname: typeof hostname === 'string' ? hostname : '',
    timestamp: finite(timestamp),
    utcoffset: finite(utcoffset),
    pid: finite(pid),
    clock: finite(clock),
  };
}

function finite(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
