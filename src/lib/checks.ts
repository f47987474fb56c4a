// Checks for the usual kinds of options.

import { type Duration, readDuration, toSeconds } from './duration.ts';
import { isRecord } from './narrow.ts';
import { type Check, type Field, field } from './schema.ts';

/** A check of values that `accept` takes; see {@link Check}. */
export function check<In, Out = In>(expected: string, accept: Check<In, Out>['accept']): Check<In, Out> {
  return { expected, accept };
}

/** A value that is checked where it is used. */
export function asGiven<T>(expected: string): Check<T> {
  return check(expected, (value) => value as T); // unknown until then
}

/** A check with a flag of the command line, and its line in the help. */
export function flagged<In, Out>(of: Check<In, Out>, ...flag: [flags: string, help: string]): Check<In, Out> {
  return { ...of, flag };
}

/** A row for an option that may be missing: then it is null. */
export function optional<In, Out>(check: Check<In, Out>): Field<In, Out | null> {
  return field<In, Out | null>(check, null);
}

export function orNull<In, Out>({ expected, accept, text }: Check<In, Out>): Check<In | null, Out | null> {
  return {
    ...check(`${expected}, or null`, (value, what) => (value === null ? null : accept(value, what))),
    ...(text && { text }),
  };
}

export const flag: Check<boolean> = check('true or false', (value) =>
  typeof value === 'boolean' ? value : undefined,
);

/** Text, which may be empty. */
export const anyText: Check<string> = check('text', (value) =>
  typeof value === 'string' ? value : undefined,
);

export const text: Check<string> = check('text that is not empty', (value) =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined,
);

export function oneOf<const T extends string | number | boolean>(...choices: readonly T[]): Check<T> {
  const all = choices.map((choice) => (typeof choice === 'string' ? `'${choice}'` : String(choice)));
  return {
    ...check<T>(all.join(' or '), (value) => choices.find((choice) => choice === value)),
    choices: choices.map(String),
  };
}

export function integer(low: number, high: number): Check<number> {
  const isInRange = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
  const expected = `a whole number from ${low} ${high === Number.MAX_SAFE_INTEGER ? 'up' : `to ${high}`}`;
  return {
    ...check(expected, (value) => (isInRange(value) ? value : undefined)),
    text: { expected, read: (text) => (/^\s*-?\d/.test(text) ? Number(text) : undefined) },
  };
}

export const positive: Check<number> = check('a number above 0', (value) =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined,
);

export const count: Check<number> = integer(1, Number.MAX_SAFE_INTEGER);

const durationText: NonNullable<Check<Duration>['text']> = {
  expected: "seconds, or a duration like '500ms', '30s', '10m', '2h', '1d'",
  read(text) {
    try {
      return readDuration(/^-?\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : text.trim());
    } catch {
      return undefined;
    }
  },
};

/** Seconds, or text like `'10m'`, as seconds. */
export function seconds(
  bound: { readonly above: number } | { readonly from: number },
): Check<Duration, number> {
  const range = 'above' in bound ? `above ${bound.above}` : `of at least ${bound.from} s`;
  return {
    ...check(`a duration ${range} (seconds, or text like '10m')`, (value, what) => {
      if (typeof value !== 'number' && typeof value !== 'string') return undefined;
      const read = toSeconds(value, what);
      return ('above' in bound ? read > bound.above : read >= bound.from) ? read : undefined;
    }),
    text: { ...durationText, expected: `${durationText.expected}, ${range}` },
  };
}

/** Any duration, also a negative one, unchanged. */
export const duration: Check<Duration> = {
  ...check("seconds or text like '10m'", (value, what) =>
    typeof value === 'number' || typeof value === 'string' ? readDuration(value, what) : undefined,
  ),
  text: durationText,
};

export const texts: Check<readonly string[]> = check('a list of texts', (value) =>
  Array.isArray(value) && value.every((item): item is string => typeof item === 'string')
    ? Object.freeze([...value])
    : undefined,
);

/** A function of the user's. */
export function callback<F extends (...args: never) => unknown>(): Check<F> {
  return check('a function', (value) => (typeof value === 'function' ? (value as F) : undefined)); // the compiler checks its arguments
}

/** A plain object. */
export function record<T = Readonly<Record<string, unknown>>>(
  expected: string,
  accept: (value: Readonly<Record<string, unknown>>, what: string) => T,
): Check<T> {
  return check(expected, (value, what) => (isRecord(value) ? accept(value, what) : undefined));
}
