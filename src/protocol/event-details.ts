// The details of a task in Umbel's events besides Celery's fields: the object `umbel` of `task-sent` and `task-received`.
import { ascii } from '../lib/json-writer.ts';
import { redactedJson } from '../lib/redact.ts';
import { strictJson } from './json.ts';
import type { Json, TaskMessage } from './message.ts';

/** Longest JSON of the positional arguments, and of the keyword arguments, in characters. Longer JSON is left out, since half of it would not be JSON. */
export const longestArguments = 4_096;

/** The header of a task that repeats another one: the id of that one. */
export const retryOfHeader = 'umbel-retry-of';

/**
 * The details as JSON in ASCII. Empty fields are left out. Arguments are left out, too, if they contain values that not all readers of JSON read
 * alike (NaN, integers beyond 2^53). Secrets in arguments are hidden.
 * @param attempt number of the task's run, from 1; null: the event is not about a run
 */
export function eventDetails(message: TaskMessage, queue: string, attempt: number | null): string {
  const { args, kwargs, group, groupIndex, embed, stampedHeaders, stamps, priority } = message;
  let json = `{"queue":${JSON.stringify(queue)},"priority":${priority}`;
  if (attempt !== null) json += `,"attempt":${attempt}`;
  json += member('args', shortJson(args)) + member('kwargs', shortJson(kwargs));
  if (group !== null) json += member('group_id', JSON.stringify(group));
  if (groupIndex !== null) json += member('group_index', String(groupIndex));
  if (embed.chain !== null && embed.chain.length > 0)
    json += member('chain_left', String(embed.chain.length));
  const retryOf = message.headers[retryOfHeader];
  if (typeof retryOf === 'string') json += member('retry_of', JSON.stringify(retryOf));
  const chordId = embed.chord?.options.task_id;
  if (typeof chordId === 'string') json += member('chord_id', JSON.stringify(chordId));
  if (stampedHeaders !== null && stampedHeaders.length > 0) json += member('stamps', shortJson(stamps));
  return ascii(`${json}}`);
}

/** The progress of a task as JSON in ASCII, without secrets. `null`: it is longer than arguments may be, or cannot be JSON. */
export function progressJson(meta: unknown): string {
  return ascii(shortJson(meta) ?? 'null');
}

function member(name: string, json: string | null): string {
  return json === null ? '' : `,"${name}":${json}`;
}

function shortJson(value: unknown): string | null {
  if (roomLeft(value, longestArguments) < 0) return null;
  const json = strictJson(value);
  return json === null || json.length > longestArguments ? null : redactedJson(json);
}

/** The room minus the length of the value as JSON, or a little more. Below 0 the value is too long, and its rest was not measured. */
function roomLeft(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - 2;
  if (typeof value !== 'object' || value === null) return room - 1;
  if (value instanceof Uint8Array) return room - value.length;
  let left = room - 2;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && left >= 0; index++) left = roomLeft(value[index], left);
    return left;
  }
  for (const name in value) {
    left = roomLeft((value as Json)[name], left - name.length - 3);
    if (left < 0) break;
  }
  return left;
}
