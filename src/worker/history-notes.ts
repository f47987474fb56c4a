// What happened to the tasks that this worker has: gathered for each, and written with its settlement, or a moment later if it runs long.
import type { EventSender } from '../events/sender.ts';
import { asciiJson, type JsonWriter } from '../lib/json-writer.ts';
import { type HistoryWriter, ofEvents, type PartOfEntry } from '../sending/history-writer.ts';
import type { EntryFrame } from '../stores/history-stream.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Decision } from './decider.ts';

/** The arrival of a task: told with the next event of the task. */
export interface Arrival {
  readonly name: string;
  readonly queue: string;
  /** What else `task-received` tells, as JSON without braces; empty: the history knows that from the sender. */
  readonly about: string;
  readonly receivedMs: number;
  startedMs: number | null;
}

/** What is told of the end of a task. */
export interface Told {
  readonly id: string;
  /** Its arrival, which the last event tells; null: that was told before. */
  readonly arrival: Arrival | null;
  /** The last event as JSON; null: none tells this end. */
  readonly end: string | null;
  /** The last event is for the history alone. */
  readonly isBrief: boolean;
  /** What was gathered before, not written yet, as JSON with commas; empty: nothing. */
  readonly before: string;
  /** Travels with the settlement; null: nothing does. */
  readonly write: StoreWrite | null;
  /** Is written after the settlement; null: nothing is. */
  readonly after: PartOfEntry | null;
}

/** The decision with what the history is told. */
export function telling(decision: Decision, told: Told | null): Decision {
  const history = told?.write ?? null;
  if (history === null) return decision;
  // Field by field: a spread costs more, and this is done for every task.
  const { plan, write, continuation } = decision;
  const { action, record, publish } = plan;
  return { plan: { action, record, publish, history }, write, continuation };
}

/** How long the events of a task wait for its end, milliseconds. */
const gatherMs = 200;

/** For how long the times of one frame are small numbers, milliseconds. */
const frameLastsMs = 1_000;
const maxFrames = 100;
const plainId = /^[\w-]+$/;

interface TimedFrame {
  readonly queue: string;
  readonly atMs: number;
  readonly frame: EntryFrame;
}

export class HistoryNotes {
  readonly #writer: HistoryWriter | null;
  readonly #sender: EventSender;
  #events = new Map<string, string>();
  #arrivals = new Map<string, Arrival>();
  /** By the name of the task. */
  readonly #frames = new Map<string, TimedFrame>();
  #timer: NodeJS.Timeout | null = null;

  constructor(writer: HistoryWriter | null, sender: EventSender) {
    this.#writer = writer;
    this.#sender = sender;
  }

  /** Whether they are written. If not, looking at this is all they cost. */
  get on(): boolean {
    return this.#writer?.wasOn === true;
  }

  /** Whether the history knows what the message with this note is: its sender has told it. */
  knowsOfSending(note: unknown): boolean {
    return this.#writer?.knowsOfSending(note) === true;
  }

  /** A task has come. */
  arrived(id: string, arrival: Arrival): void {
    this.#arrivals.set(id, arrival);
    this.#timer ??= setTimeout(() => this.flush(), gatherMs);
  }

  /** Its code begins. False: its arrival was told before. */
  begins(id: string, atMs: number): boolean {
    const arrival = this.#arrivals.get(id);
    if (arrival !== undefined) arrival.startedMs = atMs;
    return arrival !== undefined;
  }

  /** The arrival that is to be told with the next event of the task; null: none. */
  takeArrival(id: string): Arrival | null {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined) return null;
    this.#arrivals.delete(id);
    return arrival;
  }

  /** Tells the arrival by an event of its own, before the next one. */
  tellArrival(id: string): void {
    const arrival = this.takeArrival(id);
    if (arrival !== null) this.add(id, this.#arrivalEvent(id, arrival));
  }

  /** Whether events of this task wait: the next one will follow them in the same entry. */
  holds(id: string): boolean {
    return this.#events.has(id);
  }

  /** An event of a task, as JSON. */
  add(id: string, event: string): void {
    this.#events.set(id, joined(this.#events.get(id) ?? '', event));
    this.#timer ??= setTimeout(() => this.flush(), gatherMs);
  }

  /** Takes what is known of a task whose settlement is about to be written. `travels`: that can take a write along. */
  end(
    id: string,
    end: string | null,
    { arrival, isBrief, travels }: Pick<Told, 'arrival' | 'isBrief'> & { readonly travels: boolean },
  ): Told {
    const before = this.#events.get(id) ?? '';
    this.#events.delete(id);
    const text = joined(before, end ?? '');
    const part = text === '' ? null : ofEvents(text);
    const write = this.#writeOf(part, travels);
    return { id, arrival, end, isBrief, before, write, after: write === null ? part : null };
  }

  /**
   * The same for a task of whose arrival and begin nothing was told yet, and which has succeeded: its entry is in a frame. `result`: null for None.
   * Null: this cannot be told so.
   */
  endInFrame(id: string, runtimeMs: number, result: string | null, travels: boolean): Told | null {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined || arrival.startedMs === null) return null;
    if (this.#events.size > 0 && this.#events.has(id)) return null;
    const now = this.#sender.now();
    const { atMs, frame } = this.#frameOf(arrival, now);
    const micros = Math.max(0, Math.round(runtimeMs * 1000));
    const times = `${arrival.receivedMs - atMs},${arrival.startedMs - atMs},${now - atMs},${micros}`;
    const name = plainId.test(id) ? `"${id}"` : asciiJson(id);
    let text = `${name},${times},${this.#sender.forward()}`;
    const { about } = arrival;
    if (result !== null || about !== '') text += result === null ? ',null' : `,${asciiJson(result)}`;
    if (about !== '') text += `,{${about}}`;
    const part = { frame, text };
    const write = this.#writeOf(part, travels);
    this.#arrivals.delete(id);
    return { id, arrival, end: null, isBrief: true, before: '', write, after: write === null ? part : null };
  }

  /** Null: the settlement cannot take it along. */
  #writeOf(part: PartOfEntry | null, travels: boolean): StoreWrite | null {
    return travels && part !== null ? (this.#writer?.writeOf(part) ?? null) : null;
  }

  /** The frame of the entries of these tasks in this second. */
  #frameOf({ name, queue }: Arrival, nowMs: number): TimedFrame {
    const last = this.#frames.get(name);
    if (last !== undefined && last.queue === queue && Math.abs(nowMs - last.atMs) < frameLastsMs) return last;
    if (this.#frames.size >= maxFrames) this.#frames.clear();
    const { hostname } = this.#sender;
    const about = asciiJson({ type: 'umbel-ended', hostname, timestamp: nowMs / 1000, name, queue });
    const frame = { start: `[${about.slice(0, -1)},"ends":[[`, between: '],[', end: ']]}]' };
    const timed = { queue, atMs: nowMs, frame };
    this.#frames.set(name, timed);
    return timed;
  }

  /** The settlement is written. */
  settled({ after }: Told): void {
    if (after !== null) this.#writer?.append(after);
  }

  /** The settlement was not written, so this was not the end. */
  unsettled({ id, arrival, before }: Told): void {
    this.#append(arrival === null ? before : joined(before, this.#arrivalEvent(id, arrival)));
  }

  /** Hands on all events that wait. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const id of [...this.#arrivals.keys()]) this.tellArrival(id);
    const events = this.#events;
    this.#events = new Map();
    for (const some of events.values()) this.#append(some);
  }

  #arrivalEvent(id: string, arrival: Arrival): string {
    writeArrival(this.#sender.beginBrief('umbel-arrived', id), arrival);
    return this.#sender.endBrief();
  }

  #append(events: string): void {
    if (events !== '') this.#writer?.append(ofEvents(events));
  }
}

/** Adds it to a brief event: see `eventsIn`. */
export function writeArrival(json: JsonWriter, { name, queue, about, receivedMs, startedMs }: Arrival): void {
  json.plain(',"arrived":{"name":').string(name).plain(',"queue":').string(queue);
  json.plain(',"received":').integer(receivedMs);
  if (startedMs !== null) json.plain(',"started":').integer(startedMs);
  if (about !== '') json.plain(',').plain(about);
  json.plain('}');
}

function joined(before: string, event: string): string {
  return before === '' || event === '' ? before + event : `${before},${event}`;
}
