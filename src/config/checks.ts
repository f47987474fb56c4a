// Checks that options of tasks, calls and routes share. Each throws a ConfigError that says where.
import { ConfigError } from '../errors.ts';
import { toMs } from '../lib/duration.ts';
import { compress } from '../protocol/compression.ts';
import type { Json } from '../protocol/message.ts';
import { type SerializerName, serializerNamed } from '../protocol/serializers.ts';

/** A name that things are found by: of a task, a queue, a call. */
export function checkName(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '')
    throw new ConfigError(`${what} must be text that is not empty`);
  if (value.length > maxNameLength)
    throw new ConfigError(`${what} is longer than ${maxNameLength} characters`);
  // Half a surrogate pair has no UTF-8 form: a store would keep another name than the one it was given.
  if (unstorable.test(value)) throw new ConfigError(`${what} is not valid Unicode, or holds a NUL character`);
  return value;
}

/** A moment that has a form on the wire. `ms` since 1970. */
export function checkDate(ms: number, what: string): Date {
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  if (Number.isNaN(year)) throw new ConfigError(`${what} is an invalid Date, or too far away`);
  if (year < 1 || year > 9999) throw new ConfigError(`${what} is outside the years 1 to 9999`);
  return date;
}

/** A moment as a caller gives it. */
export function checkMoment(value: unknown, what: string): void {
  if (!(value instanceof Date)) throw new ConfigError(`${what} must be a Date`);
  checkDate(value.getTime(), what);
}

/** A duration as a caller gives it: seconds, or text. */
export function checkDuration(value: unknown, what: string): void {
  if (typeof value !== 'number' && typeof value !== 'string')
    throw new ConfigError(`${what} must be seconds or text like '10m'`);
  toMs(value, what);
}

/** A time limit in seconds. */
export function checkLimit(seconds: number, what: string): number {
  if (seconds > 0 && seconds <= maxLimit) return seconds;
  throw new ConfigError(`${what} must be above 0 s and not above ${maxLimit} s`);
}

/** A serializer that can carry a call. */
export function checkSerializer(name: string, where: string): SerializerName {
  const serializer = serializerNamed(name);
  if (serializer === 'raw' || serializer === 'text') {
    throw new ConfigError(`${where}: '${name}' cannot carry arguments; use json, yaml or msgpack`);
  }
  return serializer;
}

export function checkCompression(name: string | null, where: string): string | null {
  if (name === null) return null;
  if (typeof name !== 'string')
    throw new ConfigError(`'compression' in ${where} must be a name like 'zlib', or null`);
  if (!usable.has(name)) {
    compress(nothing, name); // says what is wrong with the name, or with this runtime
    usable.add(name);
  }
  return name;
}

/** Compressions that have been tried. There are few: who invents names gets an error. */
const usable = new Set<string>();
const nothing = new Uint8Array(0);

/** A hundred years: what no reader refuses. */
const maxLimit = 3_153_600_000;
const maxNameLength = 1024;
const unstorable = /[\ud800-\udfff\0]/u;

/** The members of this value can be keyword arguments: it is no list, no Date, nothing that is written as something else. */
export function isKeywords(value: unknown): value is Json {
  if (Object.prototype.toString.call(value) !== '[object Object]') return false;
  return (
    typeof value === 'object' && value !== null && !('toJSON' in value && typeof value.toJSON === 'function')
  );
}
