// Parameters of a query, one row each: the name, the option, and how it is read.
import { ConfigError } from '../errors.ts';
import type { Parameter } from '../http/openapi.ts';
import type { ProblemDetail } from '../http/problem.ts';
import { readDuration as asDuration, type Duration, toMs } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';

export interface QueryParameter<Option extends string = string> {
  readonly name: string;
  /** The option that it sets. */
  readonly option: Option;
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** @throws ConfigError that describes the fault, without the name */
  readonly read: (text: string) => unknown;
}

/** The options in a query, and each fault. */
export function readQuery(
  query: URLSearchParams,
  parameters: readonly QueryParameter[],
): { options: Record<string, unknown>; errors: ProblemDetail[] } {
  const options: Record<string, unknown> = {};
  const errors: ProblemDetail[] = [];
  for (const name of new Set(query.keys())) {
    try {
      const known = parameters.find((parameter) => parameter.name === name);
      if (known === undefined) throw new ConfigError(unknownParameter(name, parameters));
      const values = query.getAll(name);
      if (values.length > 1) throw new ConfigError(`is given ${values.length} times`);
      options[known.option] = known.read(values[0] ?? '');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      errors.push({ parameter: name, message: error.message });
    }
  }
  return { options, errors };
}

/** Their description for the OpenAPI document. */
export function describeQuery(parameters: readonly QueryParameter[]): readonly Parameter[] {
  return parameters.map(({ name, description, schema }) => ({ name, in: 'query', description, schema }));
}

export const maxNameLength = 255;

/** @throws ConfigError */
export function readDuration(text: string): Duration {
  const duration = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
  try {
    if (toMs(duration) >= 0) return asDuration(duration);
  } catch {} // reported below, with this parameter's format
  throw new ConfigError("must be seconds or text like '500ms', '30s', '10m', '2h', '1d'");
}

/** @throws ConfigError */
export function readTime(text: string): Date {
  // An unescaped '+' of an offset arrives as a space.
  const iso = text.replace(/ (?=\d\d:?\d\d$)/, '+');
  const time = new Date(timestamp.test(iso) ? iso : Number.NaN);
  if (!Number.isNaN(time.getTime())) return time;
  throw new ConfigError('must be a time like 2030-01-31T12:00:00Z, with Z or an offset');
}

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/;

/** @throws ConfigError */
export function readName(text: string): string {
  if (
    text.length > 0 &&
    text.length <= maxNameLength &&
    !/\p{Cc}/u.test(text) &&
    !/[\ud800-\udfff]/u.test(text)
  )
    return text;
  throw new ConfigError(`must be text of 1 to ${maxNameLength} characters`);
}

function unknownParameter(name: string, parameters: readonly QueryParameter[]): string {
  const names = parameters.map((parameter) => parameter.name);
  const hint = suggest(name, names);
  return `is unknown; ${hint ? `did you mean '${hint}'?` : `there are ${names.join(', ')}`}`;
}
