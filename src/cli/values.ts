// Options as text, and what they mean. Each throws commander's InvalidArgumentError, which names the option.
import { InvalidArgumentError } from 'commander';
import { checkPriority, type Priority } from '../config/priority.ts';
import { type Duration, readDuration } from '../lib/duration.ts';
import { UsageError } from './usage.ts';

/** `-Q a,b`. */
export function queueList(text: string, previous: readonly string[] = []): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === ''))
    throw new InvalidArgumentError('A queue name is empty; write them as a,b.');
  return [...new Set([...previous, ...names])];
}

/**
 * `-X a,b` of Celery: all queues but these.
 * @throws UsageError when one of them is not among the queues, or none is left
 */
export function without(queues: readonly string[], excluded: readonly string[] = []): readonly string[] {
  const unknown = excluded.find((queue) => !queues.includes(queue));
  if (unknown !== undefined)
    throw new UsageError(`-X: the queue '${unknown}' is not among ${queues.join(', ')}`);
  const left = queues.filter((queue) => !excluded.includes(queue));
  if (left.length === 0) throw new UsageError('-X leaves no queue');
  return left;
}

export function positiveInteger(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 up.');
  return number;
}

/** A name, or the number on the wire. */
export function priority(text: string): Priority {
  const value = /^\d+$/.test(text) ? Number(text) : text;
  try {
    return checkPriority(value, 'It');
  } catch (error) {
    throw new InvalidArgumentError(`${error instanceof Error ? error.message : error}.`);
  }
}

export function port(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new InvalidArgumentError('It must be a port: a whole number from 0 (any free one) to 65535.');
  }
  return number;
}

/** Seconds, or text like `10m`. */
export function duration(text: string): Duration {
  const value = /^-?\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : text.trim();
  try {
    return readDuration(value);
  } catch {
    throw new InvalidArgumentError(
      "It must be seconds, or a duration like '500ms', '30s', '10m', '2h', '1d'.",
    );
  }
}

/** A time: `2030-01-31T09:00:00Z`. */
export function time(text: string): Date {
  const date = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError("It must be a time like '2030-01-31T09:00:00Z'.");
  }
  return date;
}

/** When a call expires: a time, or a duration from now. */
export function timeOrDuration(text: string): Date | Duration {
  return /^\d{4}-/.test(text) ? time(text) : duration(text);
}

/** `-a '[1, "two"]'`. */
export function jsonArray(text: string): readonly unknown[] {
  const value = json(text);
  if (!Array.isArray(value)) throw new InvalidArgumentError(`It must be a JSON array like '[1, "two"]'.`);
  return value;
}

/** `-k '{"name": "value"}'`. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> {
  const value = json(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`It must be a JSON object like '{"name": "value"}'.`);
  }
  return value as Record<string, unknown>; // just checked
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON (${error instanceof Error ? error.message : error}).`);
  }
}
