// The values that can be sent, and classes for Python's types that JavaScript lacks.
import { NotSerializableError } from '../errors.ts';
import { maxDepthSent, maxValuesSent } from './limits.ts';

/** Python's `decimal.Decimal`, as text: `'1.10'`. Python gets it as a Decimal; JSON outside of messages shows the text. */
export class Decimal {
  /** Its digits: `12.50`. */
  readonly text: string;

  /** @throws RangeError when the text is not a decimal number. */
  constructor(text: string) {
    if (text.length > longestDecimal || !decimalText.test(text))
      throw new RangeError(`not a decimal number: '${text.slice(0, 40)}'`);
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Python's `uuid.UUID`. Python gets it as a UUID, not as a string. */
export class Uuid {
  /** `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, lower case. */
  readonly text: string;

  /** @throws RangeError when the text is not 32 hexadecimal digits, with or without hyphens. */
  constructor(text: string) {
    const hex = text.replaceAll('-', '').toLowerCase();
    if (!uuidHex.test(hex)) throw new RangeError(`not a UUID: '${text.slice(0, 40)}'`);
    this.text = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  /** The 32 digits without hyphens. */
  get hex(): string {
    return this.text.replaceAll('-', '');
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Python's `datetime.date`: a day without a time, `2026-11-21`. */
export class PlainDate {
  /** `2026-02-28`. */
  readonly text: string;

  /** @throws RangeError when the text is not a day of the calendar. */
  constructor(text: string) {
    const day = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
    if (
      day === undefined ||
      Number.isNaN(day.getTime()) ||
      day.toISOString().slice(0, 10) !== text ||
      text < '0001'
    ) {
      throw new RangeError(`not a date: '${text.slice(0, 40)}'`);
    }
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Python's `datetime.time`: a time of day, `13:37:00.000123`, with or without an offset. */
export class PlainTime {
  /** `13:30:00`. */
  readonly text: string;

  /** @throws RangeError when the text is not a time of day. */
  constructor(text: string) {
    if (!timeText.test(text)) throw new RangeError(`not a time of day: '${text.slice(0, 40)}'`);
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** A value of a type that JSON lacks. Each serializer has its own form of it. */
export type TypedValue = Date | Uint8Array | Decimal | Uuid | PlainDate | PlainTime;

/**
 * Whether the value is a tree of null, booleans, text, exactly representable numbers, lists and plain maps, which native
 * `JSON.stringify` writes correctly. False means only that it needs a closer look ({@link normalize}).
 */
export function isPlain(value: unknown): boolean {
  valuesLeft = maxValuesSent;
  try {
    return isPlainAt(value, maxDepthSent);
  } catch {
    return false; // a getter of the user's threw; normalize reports which
  }
}

/**
 * A copy of `value` as a tree of null, booleans, text, numbers, bigints, lists and plain objects.
 * `undefined` is left out of a map, and becomes null in a list; `toJSON` is called; typed values become the result of `form`.
 * @throws NotSerializableError with the path of the value that cannot be sent: `$.rows[3].id`.
 */
export function normalize(
  value: unknown,
  form: (value: TypedValue, path: Path) => unknown,
  root = '$',
): unknown {
  return new Normalizer(form, new Path(root)).visit(value, '');
}

/** The path from the root to a value. */
export class Path {
  readonly #root: string;
  readonly #steps: (string | number)[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  get length(): number {
    return this.#steps.length;
  }

  enter(step: string | number): void {
    this.#steps.push(step);
  }

  leave(): void {
    this.#steps.pop();
  }

  toString(): string {
    // Only the first steps are shown: a path of hundreds of steps is unreadable.
    const shown = this.#steps.slice(0, 20).map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return identifier.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 80))}]`;
    });
    return `${this.#root}${shown.join('')}${this.#steps.length > 20 ? '…' : ''}`;
  }
}

const identifier = /^[A-Za-z_$][\w$]{0,80}$/;
/** Longest decimal, in characters: V8's regular expressions fail after some millions of steps. */
const longestDecimal = 1_000_000;
const decimalText = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|s?NaN\d*|Inf(?:inity)?)$/i;
const uuidHex = /^[0-9a-f]{32}$/;
const timeText =
  /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$/;

let valuesLeft = 0;

function isPlainAt(value: unknown, depthLeft: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return true;
    case 'number':
      return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) {
    valuesLeft -= value.length;
    if (valuesLeft < 0) return false;
    for (let index = 0; index < value.length; index++) {
      if (!isPlainAt(value[index], depthLeft - 1)) return false;
    }
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  // `for in` instead of Object.entries: this runs for every message, and must allocate nothing.
  for (const key in value) {
    if (--valuesLeft < 0 || key === '__type__' || key === 'toJSON') return false;
    if (!isPlainAt((value as Record<string, unknown>)[key], depthLeft - 1)) return false; // its prototype shows that it is a plain object
  }
  return true;
}

class Normalizer {
  readonly #form: (value: TypedValue, path: Path) => unknown;
  readonly #path: Path;
  readonly #ancestors = new Set<object>();
  #valuesLeft = maxValuesSent;

  constructor(form: (value: TypedValue, path: Path) => unknown, path: Path) {
    this.#form = form;
    this.#path = path;
  }

  visit(value: unknown, key: string): unknown {
    if (--this.#valuesLeft < 0) this.#fail(`it has more than ${maxValuesSent} values`);
    switch (typeof value) {
      case 'undefined':
        return null;
      case 'string':
      case 'boolean':
      case 'number':
      case 'bigint':
        return value;
      case 'function':
        return this.#fail(`it is a function${value.name ? ` (${value.name})` : ''}`);
      case 'symbol':
        return this.#fail('it is a symbol');
    }
    if (typeof value !== 'object' || value === null) return null;
    if (isTyped(value)) return this.#form(value, this.#path);
    const hidden = hiddenContent(value);
    if (hidden !== undefined) this.#fail(hidden);
    if (value instanceof Number || value instanceof String || value instanceof Boolean)
      return value.valueOf();
    if (this.#path.length >= maxDepthSent) {
      this.#fail(
        this.#ancestors.has(value)
          ? 'it refers to itself'
          : `it is nested deeper than ${maxDepthSent} levels`,
      );
    }
    if (this.#ancestors.has(value)) this.#fail('it refers to itself');
    this.#ancestors.add(value);
    const copy = this.#copy(value, key);
    this.#ancestors.delete(value);
    return copy;
  }

  #copy(value: object, key: string): unknown {
    if ('toJSON' in value && typeof value.toJSON === 'function') {
      const replaced: unknown = this.#read(() => (value as { toJSON(key: string): unknown }).toJSON(key)); // checked above
      if (replaced === value) return this.#children(value);
      return replaced === undefined ? null : this.visit(replaced, key);
    }
    return this.#children(value);
  }

  #children(value: object): unknown {
    if (Array.isArray(value)) {
      const list: unknown[] = [];
      for (let index = 0; index < value.length; index++) {
        this.#path.enter(index);
        list.push(this.visit(value[index], String(index)));
        this.#path.leave();
      }
      return list;
    }
    const keys = Object.keys(value);
    if (keys.length === 2 && keys.includes('__type__') && keys.includes('__value__')) {
      this.#fail(
        "a map of the two keys '__type__' and '__value__' means a typed value on the wire; rename one",
      );
    }
    const map: Record<string, unknown> = {};
    for (const name of keys) {
      this.#path.enter(name);
      const member = this.#read(() => (value as Record<string, unknown>)[name]); // a key of `value`
      if (member !== undefined) {
        const written = this.visit(member, name);
        // Not `map[name] = …`, which changes the prototype if the name is `__proto__`.
        if (name === '__proto__')
          Object.defineProperty(map, name, {
            value: written,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        else map[name] = written;
      }
      this.#path.leave();
    }
    return map;
  }

  /** Runs the user's code (a getter, a toJSON), and adds the path to an error that it throws. */
  #read(read: () => unknown): unknown {
    try {
      return read();
    } catch (cause) {
      throw new NotSerializableError(String(this.#path), 'reading it failed', { cause });
    }
  }

  #fail(what: string): never {
    throw new NotSerializableError(String(this.#path), what);
  }
}

function isTyped(value: object): value is TypedValue {
  return (
    value instanceof Date ||
    value instanceof Uint8Array ||
    value instanceof Decimal ||
    value instanceof Uuid ||
    value instanceof PlainDate ||
    value instanceof PlainTime
  );
}

/** Why an object cannot be sent, although JSON would write it, as `{}` or as nonsense; undefined: it can be sent. */
function hiddenContent(value: object): string | undefined {
  if (value instanceof Map) return 'it is a Map; send Object.fromEntries(map) or [...map]';
  if (value instanceof Set) return 'it is a Set; send [...set]';
  if (value instanceof Promise) return 'it is a Promise; await it first';
  if (value instanceof RegExp) return 'it is a RegExp; send its source';
  if (value instanceof Error && !('toJSON' in value)) return 'it is an Error; send its message';
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return `it is a ${value.constructor?.name ?? 'typed array'}; send a Uint8Array or a list of numbers`;
  }
  if (value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
    return 'it is a weak collection';
  return undefined;
}
