// What Umbel's events tell of a task beside Celery's fields: the object `umbel` of `task-sent` and `task-received`.
import { ascii } from '../lib/json-writer.ts';
import { redactedJson } from '../lib/redact.ts';
import { strictJson } from './json.ts';
import type { Json, TaskMessage } from './message.ts';

/** The longest arguments as JSON, positional and by keyword each, in characters. Longer ones are left out: half of them would not be JSON. */
export const longestArguments = 4_096;

/**
 * JSON in ASCII. Without a field: there is nothing to tell. Arguments are left out, too, if JSON has no form of them that every reader reads
 * alike (NaN, integers beyond 2^53). Secrets in them are hidden.
 * @param attempt which run of the task it is about, from 1; null: about none
 */
export function eventDetails(message: TaskMessage, queue: string, attempt: number | null): string {
  const { args, kwargs, group, groupIndex, embed, stampedHeaders, stamps, priority } = message;
  let json = `{"queue":${JSON.stringify(queue)},"priority":${priority}`;
  if (attempt !== null) json += `,"attempt":${attempt}`;
  json += member('args', shortJson(args)) + member('kwargs', shortJson(kwargs));
  if (group !== null) json += member('group_id', JSON.stringify(group));
  if (groupIndex !== null) json += member('group_index', String(groupIndex));
  const chordId = embed.chord?.options.task_id;
  if (typeof chordId === 'string') json += member('chord_id', JSON.stringify(chordId));
  if (stampedHeaders !== null && stampedHeaders.length > 0) json += member('stamps', shortJson(stamps));
  return ascii(`${json}}`);
}

/** What a task tells of its progress, as JSON in ASCII without secrets. `null`: it is longer than arguments may be, or JSON does not hold it. */
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

/** The room minus the length of the value as JSON, or a little more. Below 0 it is too long; then the rest of it was not looked at. */
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
