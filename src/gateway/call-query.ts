// The options of a call as query parameters: POST /tasks/shop.add?countdown=60&queue=slow
import type { CallOptions } from '../config/call-options.ts';
import { ConfigError } from '../errors.ts';
import type { Parameter } from '../http/openapi.ts';
import { wrongQuery } from '../http/problem.ts';
import {
  describeQuery,
  maxNameLength,
  type QueryParameter,
  readDuration,
  readName,
  readQuery,
  readTime,
} from './query.ts';

/** The options that may be given over HTTP. */
type CallQuery = Pick<CallOptions, 'countdown' | 'eta' | 'expires' | 'queue' | 'priority' | 'taskId'>;

/**
 * Reads them.
 * @throws Problem 400 naming each wrong parameter
 */
export function readCallQuery(query: URLSearchParams): CallQuery {
  const { options, errors } = readQuery(query, parameters);
  if ('countdown' in options && 'eta' in options) {
    errors.push({ parameter: 'eta', message: "says another time than 'countdown'; give one of them" });
  }
  if (errors.length === 0) return options; // each member was read by its row
  throw wrongQuery(errors);
}

/** Their description for the OpenAPI document. */
export function callParameters(): readonly Parameter[] {
  return describeQuery(parameters);
}

const maxPriority = 255;

const parameters: readonly QueryParameter<keyof CallQuery>[] = [
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
