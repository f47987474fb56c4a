import type { Decoded, RefusalReason } from './message.ts';

/** The decoder's "no". `detail` is one sentence for people and never quotes the payload. */
export function refuse<T>(reason: RefusalReason, detail: string): Decoded<T> {
  return { ok: false, refusal: { reason, detail } };
}

/** The decoder's "yes". */
export function accept<T>(value: T): Decoded<T> {
  return { ok: true, value };
}

/**
 * The last resort of a decoder that must never throw: what the engine cannot do (its stack or its memory ends within a regular
 * expression, say) is a refusal of the message, not the end of whoever reads it.
 */
export function orRefused<T>(decode: () => Decoded<T>): Decoded<T> {
  try {
    return decode();
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    return refuse('body', `the decoder failed on it (${name}); please report this as a bug of Umbel`);
  }
}

/** What kind of value stands where another was wanted, for a refusal's detail. */
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

/** A decoded map: an object that is none of our typed values. */
export function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
