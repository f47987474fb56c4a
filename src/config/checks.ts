// Checks that options of tasks, calls and routes share. Each throws a ConfigError that names the option.
import { ConfigError } from '../errors.ts';
import { check, duration, integer } from '../lib/checks.ts';
import { type Duration, toSeconds } from '../lib/duration.ts';
import type { Check } from '../lib/schema.ts';
import { compress } from '../protocol/compression.ts';
import type { Json } from '../protocol/message.ts';
import { type SerializerName, serializerNamed } from '../protocol/serializers.ts';

/** A name that serves as a key: of a task, a queue or a call. */
export function checkName(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '')
    throw new ConfigError(`${what} must be text that is not empty`);
  if (value.length > maxNameLength)
    throw new ConfigError(`${what} is longer than ${maxNameLength} characters`);
  // Half a surrogate pair has no UTF-8 form: a store would keep a different name.
  if (unstorable.test(value)) throw new ConfigError(`${what} is not valid Unicode, or holds a NUL character`);
  return value;
}

export const name: Check<string> = check('text that is not empty', checkName);

/** A routing key, or an exchange. The empty exchange is the broker's default exchange. */
export const nameOrEmpty: Check<string> = check('text', (value, what) =>
  value === '' ? value : checkName(value, what),
);

/** A time that can be sent, from the year 1 to 9999. `ms` since 1970. */
export function checkDate(ms: number, what: string): Date {
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  if (Number.isNaN(year)) throw new ConfigError(`${what} is an invalid Date, or too far away`);
  if (year < 1 || year > 9999) throw new ConfigError(`${what} is outside the years 1 to 9999`);
  return date;
}

export const moment: Check<Date> = {
  ...check('a Date', (value, what) => (value instanceof Date ? checkDate(value.getTime(), what) : undefined)),
  text: {
    expected: "a time like '2030-01-31T09:00:00Z'",
    read(text) {
      const date = new Date(text);
      return /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(date.getTime()) ? date : undefined;
    },
  },
};

/** A time, or a duration from now. */
export const time: Check<Date | Duration> = {
  ...check("seconds or text like '10m', or a Date", (value, what) =>
    (value instanceof Date ? moment : duration).accept(value, what),
  ),
  text: {
    expected: "a time like '2030-01-31T09:00:00Z', or a duration like '10m'",
    read: (text) => (/^\d{4}-/.test(text) ? moment : duration).text?.read(text),
  },
};

/** A time limit in seconds. */
export function checkLimit(seconds: number, what: string): number {
  if (seconds > 0 && seconds <= maxLimit) return seconds;
  throw new ConfigError(`${what} must be above 0 s and not above ${maxLimit} s`);
}

export const limit: Check<Duration, number> = check("seconds or text like '10m'", (value, what) => {
  const given = duration.accept(value, what);
  return given === undefined ? undefined : checkLimit(toSeconds(given, what), what);
});

const times = integer(0, Number.MAX_SAFE_INTEGER);

export const maxRetries: Check<number | null> = check(
  'a whole number from 0, or null for no limit',
  (value) => (value === null ? null : times.accept(value, '')),
);

/** A serializer that can carry a call. */
export function checkSerializer(name: string, where: string): SerializerName {
  const serializer = serializerNamed(name);
  if (serializer === 'raw' || serializer === 'text') {
    throw new ConfigError(`${where}: '${name}' cannot carry arguments; use json, yaml or msgpack`);
  }
  return serializer;
}

export const serializer: Check<string, SerializerName> = check(
  "'json', 'yaml' or 'msgpack'",
  (value, what) => (typeof value === 'string' ? checkSerializer(value, what) : undefined),
);

export const compression: Check<string | null> = check("a name like 'zlib', or null", (value) => {
  if (value === null) return null;
  if (typeof value !== 'string') return undefined;
  if (!usable.has(value)) {
    compress(nothing, value); // throws for an unknown name, and for a compression that this runtime lacks
    usable.add(value);
  }
  return value;
});

/** Compressions that have been tried. The set stays small, since unknown names are errors. */
const usable = new Set<string>();
const nothing = new Uint8Array(0);

/** A hundred years: no reader refuses it. */
const maxLimit = 3_153_600_000;
const maxNameLength = 1024;
const unstorable = /[\ud800-\udfff\0]/u;

export const keywords: Check<Json> = check('a plain object', (value) =>
  isKeywords(value) ? value : undefined,
);

/** Whether the members of this value can be keyword arguments: not so for a list, a Date, or any value that is serialized as something else. */
export function isKeywords(value: unknown): value is Json {
  if (Object.prototype.toString.call(value) !== '[object Object]') return false;
  return (
    typeof value === 'object' && value !== null && !('toJSON' in value && typeof value.toJSON === 'function')
  );
}
