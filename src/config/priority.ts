// Priorities by name, which mean the same everywhere, and the numbers that they are on the wire.
import { ConfigError } from '../errors.ts';
import { check, integer } from '../lib/checks.ts';
import type { Check } from '../lib/schema.ts';

/** In this order, on every transport; `normal` is that of calls that say none. */
export type PriorityName = 'urgent' | 'high' | 'normal' | 'low';

/**
 * A name, or the number as it goes on the wire: 0 to 255. On Redis and the embedded store 0 is the most urgent, on RabbitMQ
 * the highest. A name needs `taskDefaultPriority` to be one, too.
 */
export type Priority = number | PriorityName;

/** What turns a name into a number. */
export interface PriorityScale {
  readonly mostUrgent: 'lowest' | 'highest';
  /** The queue's own, where it has one (`x-max-priority`): what is above it, RabbitMQ takes for it. */
  readonly maxPriority: number | null;
}

const names: readonly PriorityName[] = ['urgent', 'high', 'normal', 'low'];

/** The first of each of kombu's four lists on Redis; mirrored on RabbitMQ. */
const step = 3;

/**
 * 0, 3, 6, 9 where the lowest is the most urgent; 9, 6, 3, 0 where the highest is, and in the same proportions up to
 * `maxPriority` where that is less. (Below 3 there are not four of them.)
 */
export function priorityNumber(priority: Priority, { mostUrgent, maxPriority }: PriorityScale): number {
  if (typeof priority === 'number') return priority;
  const rank = names.indexOf(priority);
  const last = names.length - 1;
  if (mostUrgent === 'lowest') return rank * step;
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
 * Names have a meaning only beside the calls that say nothing, which Celery sends as 0: before all others on Redis, after
 * all others on RabbitMQ. So the application must have said that these are `normal` (or another).
 * @throws ConfigError
 */
export function checkNamed(priority: Priority | null, standard: Priority | null, what: string): void {
  if (typeof priority !== 'string' || typeof standard === 'string') return;
  throw new ConfigError(
    `${what} is a name, '${priority}': say also which one calls without a priority have, { taskDefaultPriority: 'normal' } in the settings of the application (else they are sent as Celery's 0: the first of all on Redis, the last of all on RabbitMQ)`,
  );
}
