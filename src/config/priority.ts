// Priorities by name, which mean the same on every transport, and their numbers on the wire.
import { ConfigError } from '../errors.ts';
import { check, integer } from '../lib/checks.ts';
import type { Check } from '../lib/schema.ts';

/** In this order on every transport. Calls without a priority are usually `normal` (`taskDefaultPriority`). */
export type PriorityName = 'urgent' | 'high' | 'normal' | 'low';

/**
 * A name, or the number on the wire: 0 to 255. On Redis and the embedded store 0 is the most urgent, on RabbitMQ the highest number. Names
 * can be used only if `taskDefaultPriority` is a name, too.
 */
export type Priority = number | PriorityName;

/** The scale by which a name becomes a number. */
export interface PriorityScale {
  readonly priorityOrder: 'lowest-first' | 'highest-first';
  /** The queue's `x-max-priority`, if it has one: RabbitMQ treats higher numbers like this one. */
  readonly maxPriority: number | null;
}

const names: readonly PriorityName[] = ['urgent', 'high', 'normal', 'low'];

/** The first number of each of kombu's four lists on Redis; in reverse order on RabbitMQ. */
const step = 3;

/**
 * The number of a name: 0, 3, 6, 9 where the lowest number is the most urgent; 9, 6, 3, 0 where the highest is, scaled down to
 * `maxPriority` if that is less. (A `maxPriority` below 3 has no four different numbers.)
 */
export function priorityNumber(priority: Priority, { priorityOrder, maxPriority }: PriorityScale): number {
  if (typeof priority === 'number') return priority;
  const rank = names.indexOf(priority);
  const last = names.length - 1;
  if (priorityOrder === 'lowest-first') return rank * step;
  return Math.round((Math.min(maxPriority ?? last * step, last * step) * (last - rank)) / last);
}

const onWire = integer(0, 255);

export const priority: Check<Priority> = {
  ...check(`a whole number from 0 to 255, or one of ${names.join(', ')}`, (value, what) =>
    typeof value === 'number' ? onWire.accept(value, what) : names.find((each) => each === value),
  ),
  text: {
    expected: `a whole number from 0 to 255, or one of ${names.join(', ')}`,
    read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  },
};

/**
 * A name has a meaning only in relation to calls without a priority. Celery sends those as 0, which is the first of all on Redis and the
 * last of all on RabbitMQ. So the application must give them a name, too (`taskDefaultPriority`).
 * @throws ConfigError
 */
export function checkNamed(priority: Priority | null, standard: Priority | null, what: string): void {
  if (typeof priority !== 'string' || typeof standard === 'string') return;
  throw new ConfigError(
    `${what} is a name, '${priority}': it needs { taskDefaultPriority: 'normal' } in the settings of the application. Without that setting, calls without a priority are sent as Celery's 0, which is the first of all on Redis and the last of all on RabbitMQ`,
  );
}
