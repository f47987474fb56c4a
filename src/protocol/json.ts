// JSON as kombu writes and reads it: bare NaN and Infinity, integers of any size, and typed values (`__type__`).
import { NotSerializableError } from '../errors.ts';
import { asBuffer, decodeUtf8 } from './bytes.ts';
import { parsePythonJson } from './json-parser.ts';
import { type DecodeLimits, defaultLimits } from './limits.ts';
import type { Decoded } from './message.ts';
import { accept, orRefused, refuse } from './refusal.ts';
import { formatTimestamp } from './timestamp.ts';
import { Decimal, isPlain, normalize, type Path, PlainDate, type TypedValue, Uuid } from './values.ts';

/**
 * Writes a value like kombu. Dates, bytes, and our Decimal, Uuid, PlainDate and PlainTime become typed values, which
 * Python (kombu 5.3 and later) reads as its own types; a bigint becomes a bare integer.
 * @param root the name of `value` in the error's path.
 * @throws NotSerializableError with the path of the value that cannot be written: `$.rows[3].id`.
 */
export function encodeJson(value: unknown, root = '$'): string {
  if (value === undefined) return 'null';
  if (isPlain(value)) return JSON.stringify(value);
  const tree = normalize(value, typedForm, root);
  return isPlain(tree) ? JSON.stringify(tree) : write(tree, root);
}

/** The same JSON, if every reader reads the same values from it; else null: NaN, Infinity, integers beyond 2^53, and what {@link encodeJson} refuses. */
export function strictJson(value: unknown): string | null {
  try {
    const json = encodeJson(value);
    if (!doubtful.test(json)) return json;
    const read: unknown = JSON.parse(json);
    return isPlain(read) && JSON.stringify(read) === json ? json : null;
  } catch {
    return null; // JSON.parse refuses NaN and Infinity
  }
}

/** Finds what only some readers read, and some text that they all read. */
const doubtful = /NaN|Infinity|\d{16}/;

/**
 * Reads JSON like Python. Never throws: it returns a value or a refusal (`body`: not JSON, or an unknown typed value; `too-large`).
 * Integers beyond 2^53 become bigints; typed values become Date, Uint8Array, Decimal, Uuid, PlainDate, PlainTime. The
 * key `__proto__` is an own property like any other.
 */
export function decodeJson(text: string, limits: DecodeLimits = defaultLimits): Decoded<unknown> {
  if (text.length > limits.maxSize)
    return refuse('too-large', `${text.length} characters; the limit is ${limits.maxSize}`);
  return orRefused(() => readJson(text, limits));
}

function readJson(text: string, limits: DecodeLimits): Decoded<unknown> {
  // Native parsing would lose the types of typed values, and the digits of large integers.
  if (text.includes('__type__"') || text.includes('\\u005') || bigInteger.test(text))
    return parsePythonJson(text, limits);
  if (text.length > scannedLength) {
    // Large text may hold very many or very deeply nested values, so they are counted first.
    const tooMany = countStructure(text, limits);
    if (tooMany !== undefined) return refuse('too-large', tooMany);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Our parser reads NaN and Infinity, and its errors name the position only: V8's message would quote the payload.
    return parsePythonJson(text, limits);
  }
  if (
    text.length > 2 * limits.maxDepth &&
    text.length <= scannedLength &&
    !isShallow(value, limits.maxDepth)
  ) {
    return refuse('too-large', `nested deeper than ${limits.maxDepth} levels`);
  }
  return accept(value);
}

/** {@link decodeJson} of UTF-8 bytes. */
export function decodeJsonBytes(bytes: Uint8Array, limits: DecodeLimits = defaultLimits): Decoded<unknown> {
  if (bytes.length > limits.maxSize)
    return refuse('too-large', `${bytes.length} bytes; the limit is ${limits.maxSize}`);
  const text = decodeUtf8(bytes);
  return text === undefined ? refuse('body', 'not UTF-8 text') : decodeJson(text, limits);
}

/** The form of a typed value in kombu's JSON. */
function typedForm(value: TypedValue, path: Path): unknown {
  if (value instanceof Date) return { __type__: 'datetime', __value__: timestampAt(value, path) };
  if (value instanceof Uint8Array) {
    const text = decodeUtf8(value);
    return text === undefined
      ? { __type__: 'base64', __value__: asBuffer(value).toString('base64') }
      : { __type__: 'bytes', __value__: text };
  }
  if (value instanceof Decimal) return { __type__: 'decimal', __value__: value.text };
  if (value instanceof Uuid) return { __type__: 'uuid', __value__: { hex: value.hex } };
  if (value instanceof PlainDate) return { __type__: 'date', __value__: value.text };
  return { __type__: 'time', __value__: value.text };
}

/** {@link formatTimestamp} with the path in the error. */
export function timestampAt(date: Date, path: Path): string {
  try {
    return formatTimestamp(date);
  } catch (cause) {
    throw new NotSerializableError(
      String(path),
      `it is ${cause instanceof Error ? cause.message : 'no date'}`,
      { cause },
    );
  }
}

/**
 * Matches text with an integer of 16 digits or more. Strings with such digits and long fractions match too, which only costs time. The
 * count is fixed on purpose: V8 saves a backtracking state for each step of an open repetition, and throws after 5.6 million.
 */
const bigInteger = /(?:^|[[,:\s-])\d{16}/;

/** In text of more characters, values are counted before it is parsed. */
const scannedLength = 65_536;

function isShallow(value: unknown, depthLeft: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (!isShallow(value[index], depthLeft - 1)) return false;
    }
    return true;
  }
  for (const key in value) {
    if (!isShallow((value as Record<string, unknown>)[key], depthLeft - 1)) return false; // JSON.parse made it
  }
  return true;
}

/** Counts depth, keys and values of JSON text without building them. The counts are right for valid JSON only. */
function countStructure(text: string, limits: DecodeLimits): string | undefined {
  let depth = 0;
  let keys = 0;
  let values = 0;
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: {
        index = endOfString(text, index);
        break;
      }
      case 0x5b:
      case 0x7b:
        values++;
        if (++depth > limits.maxDepth) return `nested deeper than ${limits.maxDepth} levels`;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
      case 0x3a:
        if (++keys > limits.maxKeys) return `more than ${limits.maxKeys} keys`;
        break;
      case 0x2c:
        if (++values > limits.maxValues) return `more than ${limits.maxValues} values`;
    }
  }
  return undefined;
}

/** The index of the quote that ends the string at `start`; the text's length when there is none. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) return index;
    if (code === 0x5c) index++;
  }
  return text.length;
}

const integerBound = 10n ** BigInt(defaultLimits.maxDigits);

/** Writes values that native JSON cannot: bigints, NaN, Infinity, and floats beyond 2^53, which readers would take for exact integers. */
function write(value: unknown, root: string): string {
  if (Array.isArray(value)) return `[${value.map((member) => write(member, root)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}:${write(member, root)}`)
      .join(',')}}`;
  }
  if (typeof value === 'bigint') {
    if (value >= integerBound || value <= -integerBound) {
      throw new NotSerializableError(
        root,
        `it holds an integer of more than ${defaultLimits.maxDigits} digits`,
      );
    }
    return value.toString();
  }
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return JSON.stringify(value);
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  // A number beyond 2^53 is a float in JavaScript. Written as an integer it would come back as a bigint, in Python as an int.
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
}
