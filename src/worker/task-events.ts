// Makes Celery's task events, for monitors and for the history: the same event is one moment, by whichever way a recorder hears of it.

import type { EventSender } from '../events/sender.ts';
import { asciiJson, type JsonWriter } from '../lib/json-writer.ts';
import type { LogLevel } from '../lib/logger.ts';
import { redactedRepr } from '../lib/redact.ts';
import { eventDetails, progressJson } from '../protocol/event-details.ts';
import { encodeException, exceptionRepr } from '../protocol/exception.ts';
import type { TaskMessage } from '../protocol/message.ts';
import { saferepr } from '../protocol/saferepr.ts';
import { sentNoteProperty } from '../sending/history-writer.ts';
import type { Delivery } from '../stores/transport.ts';
import type { Rejection } from './admission/admission.ts';
import { type Arrival, type HistoryNotes, type Told, writeArrival } from './history-notes.ts';
import { type ExecutionOutcome, lossReason } from './outcome.ts';

/** The longest line that is kept, in characters. */
const longestLine = 500;

/** A delivery, as far as its events tell of it. */
type Arrived = Pick<Delivery, 'queue' | 'crashes'> & Partial<Pick<Delivery, 'message'>>;

export class TaskEvents {
  readonly #sender: EventSender;
  readonly #history: HistoryNotes;
  /** The event that is being written is for the history alone. */
  #isBrief = false;
  /** The arrival that it tells, too. */
  #arrival: Arrival | null = null;

  constructor(sender: EventSender, history: HistoryNotes) {
    this.#sender = sender;
    this.#history = history;
  }

  /** Whether anybody wants events. Ask before you call the other methods. */
  get on(): boolean {
    return this.#sender.on || this.#history.on;
  }

  /** Whether they are written into the history, the last of a task with its settlement: see {@link ending}. */
  get areKept(): boolean {
    return this.#history.on;
  }

  // These are made for every task: a general way to list their fields costs more than running a small task.
  received(message: TaskMessage, delivery: Arrived): void {
    const { id, shadow, task, retries } = message;
    const { queue, crashes } = delivery;
    const name = shadow ?? task;
    const attempt = retries + crashes + 1;
    if (this.#history.on && !this.#sender.on) {
      const about = this.#isKnown(message, delivery) ? '' : aboutReceived(message, queue, attempt, true);
      this.#history.arrived(id, { name, queue, about, receivedMs: this.#sender.now(), startedMs: null });
      return;
    }
    const json = this.#begin('task-received', id).plain(',"name":').string(name);
    json.plain(',').plain(aboutReceived(message, queue, attempt, false));
    this.#end(id);
  }

  started({ id }: TaskMessage): void {
    if (this.#history.on && this.#history.begins(id, this.#sender.now())) return;
    this.#begin('task-started', id);
    this.#end(id);
  }

  // Celery's readers and Flower fail at types of `task-` that they do not know: these have a prefix of their own.
  /** A state of the task's own, with its data. */
  progressed({ id }: TaskMessage, state: string, meta: unknown): void {
    this.#begin('umbel-progress', id).plain(`,"state":${asciiJson(state)},"progress":${progressJson(meta)}`);
    this.#end(id);
  }

  /** A line that its code has logged. */
  logged({ id }: TaskMessage, level: LogLevel, text: string): void {
    const json = this.#begin('umbel-log', id).plain(`,"level":"${level}","message":`);
    json.string(redactedRepr(text.slice(0, longestLine)));
    this.#end(id);
  }

  ended({ id }: TaskMessage, outcome: ExecutionOutcome, runtimeMs: number): void {
    if (this.#writeEnd(id, outcome, runtimeMs)) this.#sender.end();
  }

  /** If its message came back, `task-received` was sent for it before. */
  notRun(rejection: Rejection, delivery: Arrived & Pick<Delivery, 'redelivered'>): void {
    if (rejection.kind === 'early' && !delivery.redelivered) this.received(rejection.message, delivery);
    if (this.#writeRejection(rejection) !== null) this.#sender.end();
  }

  /** Where events are kept: what to tell when this end of a run is settled. `travels`: its settlement can take a write along. */
  ending({ id }: TaskMessage, outcome: ExecutionOutcome, runtimeMs: number, travels: boolean): Told {
    if (outcome.kind === 'success' && !this.#sender.on) {
      const { value } = outcome;
      const result = value === undefined || value === null ? null : redactedRepr(saferepr(value));
      const told = this.#history.endInFrame(id, runtimeMs, result, travels);
      if (told !== null) return told;
    }
    const end = this.#writeEnd(id, outcome, runtimeMs) ? this.#text() : null;
    if (end === null) this.#history.tellArrival(id);
    const arrival = end === null ? null : this.#arrival;
    return this.#history.end(id, end, { arrival, isBrief: this.#isBrief, travels });
  }

  /** The same for a message that is not run. Null: no event tells that. */
  rejecting(rejection: Rejection, travels: boolean): Told | null {
    const id = this.#writeRejection(rejection);
    if (id === null) return null;
    const end = this.#text();
    return this.#history.end(id, end, { arrival: this.#arrival, isBrief: this.#isBrief, travels });
  }

  /** It is settled. */
  settled(told: Told): void {
    this.#history.settled(told);
    // Monitors that were switched on since then get whole events only.
    if (told.end !== null && this.#sender.on && !told.isBrief) this.#sender.add(told.end);
  }

  /** It could not be settled. */
  unsettled(told: Told): void {
    this.#history.unsettled(told);
  }

  /** Whether the history knows all that `task-received` would tell, apart from the time and the place. */
  #isKnown({ retries, eta, expires }: TaskMessage, { crashes, message }: Arrived): boolean {
    if (message?.ok !== true) return false;
    if (retries + crashes > 0 || eta !== null || expires !== null) return false;
    return this.#history.knowsOfSending(message.value.properties.other[sentNoteProperty]);
  }

  #begin(type: string, id: string): JsonWriter {
    this.#isBrief = this.#history.on && !this.#sender.on;
    this.#arrival = null;
    if (!this.#isBrief) {
      this.#history.tellArrival(id); // monitors were switched on since it came
      return this.#sender.begin(type, id);
    }
    this.#arrival = this.#history.takeArrival(id);
    const json = this.#sender.beginBrief(type, this.#history.holds(id) ? null : id);
    if (this.#arrival !== null) writeArrival(json, this.#arrival);
    return json;
  }

  #text(): string {
    return this.#isBrief ? this.#sender.endBrief() : this.#sender.endAsText();
  }

  #end(id: string): void {
    if (!this.#history.on) {
      this.#sender.end();
      return;
    }
    const event = this.#text();
    this.#history.add(id, event);
    if (this.#sender.on) this.#sender.add(event);
  }

  /** False: no event tells this outcome. */
  #writeEnd(id: string, outcome: ExecutionOutcome, runtimeMs: number): boolean {
    if (outcome.kind === 'success') {
      const result = redactedRepr(saferepr(outcome.value));
      const json = this.#begin('task-succeeded', id);
      json.plain(',"result":').string(result);
      json.plain(',"runtime":').seconds(runtimeMs);
      return true;
    }
    const event = eventOfOutcome(outcome);
    if (event !== null) this.#write(id, event);
    return event !== null;
  }

  /** The id of its task; null: no event tells it. */
  #writeRejection(rejection: Rejection): string | null {
    const event = eventOfRejection(rejection);
    if (event !== null) this.#write(event.uuid, event);
    return event?.uuid ?? null;
  }

  #write(uuid: string, { type, fields }: TaskEvent): void {
    const rest = inner(fields);
    this.#begin(type, uuid).plain(`,${rest}`);
  }
}

/**
 * What `task-received` tells of a message besides the name of the task, as JSON without the braces. `isBrief`: without what `eventsIn` adds again.
 */
function aboutReceived(message: TaskMessage, queue: string, attempt: number, isBrief: boolean): string {
  const { id, rootId, parentId, retries, eta, expires } = message;
  const args = asciiJson(redactedRepr(message.argsrepr));
  let json = `"args":${args},"kwargs":${asciiJson(redactedRepr(message.kwargsrepr))}`;
  if (!isBrief || rootId !== id) json += `,"root_id":${asciiJson(rootId)}`;
  if (parentId === null && retries === 0 && eta === null && expires === null) {
    if (!isBrief) json += ',"parent_id":null,"retries":0,"eta":null,"expires":null';
  } else json += `,${inner({ parent_id: parentId, retries, eta, expires })}`;
  return `${json},"umbel":${eventDetails(message, queue, attempt)}`;
}

/** The fields of an object as JSON, without the braces. */
function inner(fields: Readonly<Record<string, unknown>>): string {
  return asciiJson(fields).slice(1, -1);
}

interface TaskEvent {
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Null: as in Celery, no event. */
function eventOfOutcome(outcome: Exclude<ExecutionOutcome, { kind: 'success' }>): TaskEvent | null {
  switch (outcome.kind) {
    case 'failure':
      return { type: 'task-failed', fields: thrown(outcome.error) };
    case 'retry':
      return { type: 'task-retried', fields: thrown(outcome.retry.cause ?? outcome.retry) };
    case 'rejected':
      return { type: 'task-rejected', fields: { requeue: outcome.requeue } };
    case 'revoked':
      return { type: 'task-revoked', fields: { terminated: true, signum: outcome.signum, expired: false } };
    case 'lost':
    case 'abandoned': {
      if (outcome.final !== true) return null;
      const exception = `WorkerLostError(${saferepr(lossReason(outcome))})`;
      return { type: 'task-failed', fields: { exception, traceback: null } };
    }
    case 'overran':
    case 'ignored':
    case 'replaced':
      return null;
  }
}

function eventOfRejection(rejection: Rejection): (TaskEvent & { readonly uuid: string }) | null {
  switch (rejection.kind) {
    case 'expired':
    case 'revoked': {
      const fields = { terminated: false, signum: null, expired: rejection.kind === 'expired' };
      return { type: 'task-revoked', uuid: rejection.message.id, fields };
    }
    case 'unknown': {
      if (rejection.until !== null) return null;
      const exception = `NotRegistered(${saferepr(rejection.message.task)})`;
      return { type: 'task-failed', uuid: rejection.message.id, fields: { exception, traceback: null } };
    }
    case 'deadly': {
      const exception = `WorkerLostError('${rejection.crashes} workers died or lost their lease')`;
      return { type: 'task-failed', uuid: rejection.message.id, fields: { exception, traceback: null } };
    }
    case 'early':
    case 'paused':
    case 'limited':
    case 'finished':
    case 'undecodable':
      return null;
  }
}

/** An exception as Python writes it. */
function thrown(error: unknown): TaskEvent['fields'] {
  const { exception, traceback } = encodeException(error);
  return {
    exception: redactedRepr(exceptionRepr(exception)),
    traceback: traceback === null ? null : redactedRepr(traceback),
  };
}
