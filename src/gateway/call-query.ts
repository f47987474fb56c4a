// The options of a call, which come as query parameters: POST /tasks/shop.add?countdown=60&queue=slow
import type { CallOptions } from '../app/call-options.ts';
import { ConfigError } from '../errors.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import type { Parameter } from './openapi.ts';
import { Problem, type ProblemDetail } from './problem.ts';

/** The options that may be given over HTTP. */
export type CallQuery = Pick<CallOptions, 'countdown' | 'eta' | 'expires' | 'queue' | 'priority' | 'taskId'>;

/**
 * Reads them.
 * @throws Problem 400 naming each parameter that is wrong.
 */
export function readCallQuery(query: URLSearchParams): CallQuery {
  const options: Record<string, unknown> = {};
  const errors: ProblemDetail[] = [];
  for (const name of new Set(query.keys())) {
    try {
      const known = parameters.find((parameter) => parameter.name === name);
      if (known === undefined) throw new ConfigError(unknownParameter(name));
      const values = query.getAll(name);
      if (values.length > 1) throw new ConfigError(`is given ${values.length} times`);
      options[known.option] = known.read(values[0] ?? '');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      errors.push({ parameter: name, message: error.message });
    }
  }
  if ('countdown' in options && 'eta' in options) {
    errors.push({ parameter: 'eta', message: "says another time than 'countdown'; give one of them" });
  }
  if (errors.length === 0) return options; // each member was read by its row
  throw new Problem(
    400,
    `the query has ${errors.length === 1 ? 'a wrong parameter' : 'wrong parameters'}: ${errors.map(({ parameter, message }) => `${parameter} ${message}`).join('; ')}`,
    { errors },
  );
}

/** The same for the OpenAPI document. */
export function callParameters(): readonly Parameter[] {
  return parameters.map(({ name, description, schema }) => ({ name, in: 'query', description, schema }));
}

interface CallParameter {
  readonly name: string;
  readonly option: keyof CallQuery;
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** @throws ConfigError saying what is wrong, without the name. */
  readonly read: (text: string) => unknown;
}

const maxNameLength = 255;
const maxPriority = 255;

const parameters: readonly CallParameter[] = [
  {
    name: 'countdown',
    option: 'countdown',
    description: "Run it so long from now: seconds, or text like '500ms', '10m', '2h'.",
    schema: { type: 'string', examples: ['60', '10m'] },
    read: readDuration,
  },
  {
    name: 'eta',
    option: 'eta',
    description: 'Run it at this time, not before: ISO 8601 with Z or an offset.',
    schema: { type: 'string', format: 'date-time' },
    read: readTime,
  },
  {
    name: 'expires',
    option: 'expires',
    description: 'Do not begin it later than so long from now, or this time.',
    schema: { type: 'string', examples: ['3600', '1h', '2030-01-01T00:00:00Z'] },
    read: (text) => (/^\d{4}-/.test(text) ? readTime(text) : readDuration(text)),
  },
  {
    name: 'queue',
    option: 'queue',
    description: "The queue to send it to, instead of the task's own.",
    schema: { type: 'string', minLength: 1, maxLength: maxNameLength },
    read: readName,
  },
  {
    name: 'priority',
    option: 'priority',
    description:
      'urgent, high, normal or low, if the application gives priorities by name; or 0 to 255: on Redis and the embedded store 0 is the most urgent, on RabbitMQ the highest.',
    schema: {
      anyOf: [
        { type: 'integer', minimum: 0, maximum: maxPriority },
        { type: 'string', enum: ['urgent', 'high', 'normal', 'low'] },
      ],
    },
    read: (text) => {
      if (/^\d{1,3}$/.test(text) && Number(text) <= maxPriority) return Number(text);
      if (['urgent', 'high', 'normal', 'low'].includes(text)) return text;
      throw new ConfigError(`must be urgent, high, normal, low, or a whole number from 0 to ${maxPriority}`);
    },
  },
  {
    name: 'task_id',
    option: 'taskId',
    description:
      'The id that the call is to have. A second request with the same id must be the same request.',
    schema: { type: 'string', minLength: 1, maxLength: maxNameLength },
    read: readName,
  },
];

function readDuration(text: string): Duration {
  const duration = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
  let ms: number;
  try {
    ms = toMs(duration);
  } catch {
    ms = Number.NaN;
  }
  if (ms >= 0) return duration;
  throw new ConfigError("must be seconds or text like '500ms', '30s', '10m', '2h', '1d'");
}

function readTime(text: string): Date {
  // An unescaped '+' of an offset arrives as a space.
  const iso = text.replace(/ (?=\d\d:?\d\d$)/, '+');
  const time = new Date(timestamp.test(iso) ? iso : Number.NaN);
  if (!Number.isNaN(time.getTime())) return time;
  throw new ConfigError('must be a time like 2030-01-31T12:00:00Z, with Z or an offset');
}

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/;

function readName(text: string): string {
  if (
    text.length > 0 &&
    text.length <= maxNameLength &&
    !/\p{Cc}/u.test(text) &&
    !/[\ud800-\udfff]/u.test(text)
  )
    return text;
  throw new ConfigError(`must be text of 1 to ${maxNameLength} characters`);
}

function unknownParameter(name: string): string {
  const names = parameters.map((parameter) => parameter.name);
  const hint = suggest(name, names);
  return `is unknown; ${hint ? `did you mean '${hint}'?` : `there are ${names.join(', ')}`}`;
}
