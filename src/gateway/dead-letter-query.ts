// The dead letters that a request names: ?task=mail.*&reason=failed&died_after=2030-01-31T12:00:00Z
import { checkReason, reasons } from '../app/dead-letter-filter.ts';
import type { DeadLetterFilter } from '../app/dead-letters.ts';
import { parseRate, type Rate } from '../config/rate.ts';
import { ConfigError } from '../errors.ts';
import type { Parameter } from '../http/openapi.ts';
import { wrongQuery } from '../http/problem.ts';
import { describeQuery, maxNameLength, type QueryParameter, readName, readQuery, readTime } from './query.ts';

interface ListQuery extends DeadLetterFilter {
  readonly limit?: number;
  readonly before?: number;
}

interface ChangeQuery {
  readonly filter: DeadLetterFilter;
  readonly limit: number;
  readonly rate: Rate;
}

/** @throws Problem 400 naming each wrong parameter */
export function readListQuery(query: URLSearchParams): ListQuery {
  const { options, errors } = readQuery(query, [...filters, limit, before]);
  if (errors.length > 0) throw wrongQuery(errors);
  return options; // each member was read by its row
}

/** @throws Problem 400, also for an empty query: only `all=true` means all */
export function readChangeQuery(query: URLSearchParams): ChangeQuery {
  const { options, errors } = readQuery(query, [...filters, limit, rate, all]);
  const { limit: max, rate: pace, all: every, ...filter } = options;
  const isFiltered = Object.keys(filter).length > 0;
  if (errors.length === 0 && (every === true) === isFiltered) {
    const message = isFiltered
      ? 'means all; leave it out'
      : 'is needed to mean all; or say which by a filter';
    errors.push({ parameter: 'all', message });
  }
  if (errors.length > 0) throw wrongQuery(errors);
  return {
    filter,
    limit: typeof max === 'number' ? max : maxAtOnce,
    rate: typeof pace === 'string' ? pace : 0,
  };
}

/** The path names a single dead letter: a query is not allowed. @throws Problem 400 */
export function readNoQuery(query: URLSearchParams): void {
  const { errors } = readQuery(query, []);
  if (errors.length > 0)
    throw wrongQuery(
      errors.map(({ parameter }) => ({ parameter: parameter ?? '', message: 'is not for one dead letter' })),
    );
}

export function listParameters(): readonly Parameter[] {
  return describeQuery([...filters, limit, before]);
}

export function changeParameters(): readonly Parameter[] {
  return describeQuery([...filters, limit, rate, all]);
}

/** How many are listed in one request at most. */
const maxAtOnce = 1000;

const filters: readonly QueryParameter<keyof DeadLetterFilter>[] = [
  {
    name: 'task',
    option: 'task',
    description: 'Only calls of this task; `*` stands for any text.',
    schema: { type: 'string', maxLength: maxNameLength, examples: ['mail.*'] },
    read: readName,
  },
  {
    name: 'queue',
    option: 'queue',
    description: 'Only of this queue.',
    schema: { type: 'string', maxLength: maxNameLength },
    read: readName,
  },
  {
    name: 'reason',
    option: 'reason',
    description: `Only those with this reason, or one of these, by commas: ${reasons.join(', ')}.`,
    schema: { type: 'string', examples: ['failed,rejected'] },
    read: (text) => text.split(',').map(checkReason),
  },
  {
    name: 'died_before',
    option: 'diedBefore',
    description: 'ISO 8601 with Z or an offset.',
    schema: { type: 'string', format: 'date-time' },
    read: readTime,
  },
  {
    name: 'died_after',
    option: 'diedAfter',
    description: 'ISO 8601 with Z or an offset.',
    schema: { type: 'string', format: 'date-time' },
    read: readTime,
  },
  {
    name: 'text',
    option: 'text',
    description: 'Only those with this text in their arguments, or in the bytes of what is no call.',
    schema: { type: 'string', maxLength: maxNameLength },
    read: readName,
  },
];

const limit: QueryParameter = {
  name: 'limit',
  option: 'limit',
  description: `At most this many, 1 to ${maxAtOnce}; default 100.`,
  schema: { type: 'integer', minimum: 1, maximum: maxAtOnce },
  read: (text) => readInteger(text, maxAtOnce),
};

const before: QueryParameter = {
  name: 'before',
  option: 'before',
  description: 'Only those that are older than the one with this id.',
  schema: { type: 'integer', minimum: 1 },
  read: (text) => readInteger(text, Number.MAX_SAFE_INTEGER),
};

const rate: QueryParameter = {
  name: 'rate',
  option: 'rate',
  description: 'At most so many in a second, or text like `10/s`, `100/m`.',
  schema: { type: 'string', examples: ['10/s'] },
  read: (text) => {
    parseRate(text, 'it');
    return text;
  },
};

const all: QueryParameter = {
  name: 'all',
  option: 'all',
  description: '`true`: all of them. Needed where no filter is given.',
  schema: { const: true },
  read: (text) => {
    if (text === 'true') return true;
    throw new ConfigError('must be true, or left out');
  },
};

function readInteger(text: string, max: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= max) return number;
  throw new ConfigError(`must be a whole number from 1 to ${max}`);
}
