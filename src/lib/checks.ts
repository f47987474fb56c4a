// What options often are.
import { type Duration, toSeconds } from './duration.ts';
import type { Check } from './schema.ts';

/** What `accept` takes; see {@link Check}. */
export function check<In, Out = In>(expected: string, accept: Check<In, Out>['accept']): Check<In, Out> {
  return { expected, accept };
}

/** What is read where it is used, which says then what is wrong with it. */
export function asGiven<T>(expected: string): Check<T> {
  return check(expected, (value) => value as T); // unknown until then
}

export function orNull<In, Out>({ expected, accept }: Check<In, Out>): Check<In | null, Out | null> {
  return check(`${expected}, or null`, (value, what) => (value === null ? null : accept(value, what)));
}

export const flag: Check<boolean> = check('true or false', (value) =>
  typeof value === 'boolean' ? value : undefined,
);

/** Also the empty one. */
export const anyText: Check<string> = check('text', (value) =>
  typeof value === 'string' ? value : undefined,
);

export const text: Check<string> = check('text that is not empty', (value) =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined,
);

export function oneOf<const T extends string | number | boolean>(...choices: readonly T[]): Check<T> {
  const all = choices.map((choice) => (typeof choice === 'string' ? `'${choice}'` : String(choice)));
  return check(all.join(' or '), (value) => choices.find((choice) => choice === value));
}

export function integer(low: number, high: number): Check<number> {
  const range = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
  return check(`a whole number ${range}`, (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high ? value : undefined,
  );
}

/** Seconds, or text like `'10m'`, as seconds. */
export function seconds(
  bound: { readonly above: number } | { readonly from: number },
): Check<Duration, number> {
  const range = 'above' in bound ? `above ${bound.above}` : `of at least ${bound.from} s`;
  return check(`a duration ${range} (seconds, or text like '10m')`, (value, what) => {
    if (typeof value !== 'number' && typeof value !== 'string') return undefined;
    const read = toSeconds(value, what);
    return ('above' in bound ? read > bound.above : read >= bound.from) ? read : undefined;
  });
}

export const texts: Check<readonly string[]> = check('a list of texts', (value) =>
  Array.isArray(value) && value.every((item): item is string => typeof item === 'string')
    ? Object.freeze([...value])
    : undefined,
);

/** A plain object. */
export function record<T = Readonly<Record<string, unknown>>>(
  expected: string,
  accept: (value: Readonly<Record<string, unknown>>, what: string) => T,
): Check<T> {
  return check(expected, (value, what) => (isRecord(value) ? accept(value, what) : undefined));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
