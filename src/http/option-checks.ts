// Checks of options that all our servers have.
import { ConfigError } from '../errors.ts';
import { anyText, check, texts } from '../lib/checks.ts';
import type { Check } from '../lib/schema.ts';

/** A path without a slash at its end; empty: none. */
export const basePath = check<string>("a path like '/api'", (value, what) => {
  const given = anyText.accept(value, what);
  const trimmed = given?.replace(/\/+$/, '');
  if (trimmed === undefined || /^(?:\/[\w.~-]+)*$/.test(trimmed)) return trimmed;
  throw new ConfigError(`${what} must be a path like '/api', not '${given}'`);
});

/** A list of strings. `read` checks and converts each string. */
export function listOf(expected: string, read: (text: string) => string): Check<readonly string[]> {
  return check(expected, (value, what) => texts.accept(value, what)?.map(read));
}

export const namesOfHosts = listOf('a list of names', (host) => host.toLowerCase());
