// The check of how many things a list may have.
import { ConfigError } from '../errors.ts';

/** @throws ConfigError unless it is a whole number from 1 to `max`, or `max` itself: Infinity, where all may be had. `what`: the list that the message names. */
export function checkLimit(limit: number, what: string, max = Number.POSITIVE_INFINITY): void {
  if (limit === max || (Number.isSafeInteger(limit) && limit >= 1 && limit < max)) return;
  const range = max === Number.POSITIVE_INFINITY ? 'from 1 up' : `from 1 to ${max}`;
  throw new ConfigError(`'limit' of ${what} must be a whole number ${range}, not ${limit}`);
}
