// Reads the values of options from text. Each function throws commander's InvalidArgumentError, to which commander adds the option.
import { InvalidArgumentError } from 'commander';
import { time as anyTime } from '../config/checks.ts';
import { priority as anyPriority, type Priority } from '../config/priority.ts';
import { parseRate } from '../config/rate.ts';
import { duration as anyDuration, count, integer } from '../lib/checks.ts';
import type { Duration } from '../lib/duration.ts';
import type { Check } from '../lib/schema.ts';
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

/** The reader of an option's text, from the check of its value. */
export function argument<In>({ accept, expected, text }: Check<In, unknown>): (given: string) => In {
  return (given) => {
    const value = text === undefined ? given : text.read(given);
    try {
      if (value !== undefined && accept(value, 'It') !== undefined) return value as In; // `accept` has checked it
    } catch (error) {
      throw new InvalidArgumentError(`${error instanceof Error ? error.message : error}.`);
    }
    throw new InvalidArgumentError(`It must be ${text?.expected ?? expected}.`);
  };
}

export const positiveInteger: (text: string) => number = argument(count);

/** Seconds, or text like `10m`. */
export const duration: (text: string) => Duration = argument(anyDuration);

/** A name, or the number on the wire. */
export const priority: (text: string) => Priority = argument(anyPriority);

export const port: (text: string) => number = argument({
  ...integer(0, 65_535),
  text: {
    expected: 'a port: a whole number from 0 (any free one) to 65535',
    read: (text) => (text.trim() === '' ? undefined : Number(text)),
  },
});

/** When a call expires: a time, or a duration from now. */
export const timeOrDuration: (text: string) => Date | Duration = argument(anyTime);

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

/** `5`, `'"text"'`, `null`. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON (${error instanceof Error ? error.message : error}).`);
  }
}

/** `50/s`, `100/m`. */
export function rate(text: string): string {
  try {
    parseRate(text, 'It');
    return text;
  } catch (error) {
    throw new InvalidArgumentError(`${error instanceof Error ? error.message : error}.`);
  }
}

/** `5%`, or `0.05`. */
export function share(text: string): number {
  const [, number = '', percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim()) ?? [];
  const value = Number(number) / (percent === '%' ? 100 : 1);
  if (number !== '' && value < 1) return value;
  throw new InvalidArgumentError('It must be a share below 1, like 5% or 0.05.');
}
