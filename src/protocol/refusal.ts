import type { Decoded, RefusalReason } from './message.ts';

/** A decoder's result for bytes that it cannot read. `detail` is one sentence for users and never quotes the payload. */
export function refuse<T>(reason: RefusalReason, detail: string): Decoded<T> {
  return { ok: false, refusal: { reason, detail } };
}

/** A decoder's result with a value. */
export function accept<T>(value: T): Decoded<T> {
  return { ok: true, value };
}

/**
 * The last resort of a decoder that must never throw. An error of the JavaScript engine (a stack or memory overflow in a regular
 * expression, for example) becomes a refusal of the message instead of a crash of its reader.
 */
export function orRefused<T>(decode: () => Decoded<T>): Decoded<T> {
  try {
    return decode();
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    return refuse('body', `the decoder failed on it (${name}); please report this as a bug of Umbel`);
  }
}

/** The kind of an unexpected value, for a refusal's detail. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'object':
      return value instanceof Date ? 'a date' : 'a map';
    case 'string':
      return 'text';
    case 'undefined':
      return 'nothing';
    default:
      return `a ${typeof value}`;
  }
}

/** Whether a value is a decoded map: an object that is not a typed value. */
export function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
