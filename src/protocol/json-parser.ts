// Our own JSON parser, for values that the native parser cannot read or would change. The hot path does not use it.
import type { DecodeLimits } from './limits.ts';
import type { Decoded, RefusalReason } from './message.ts';
import { accept, kindOf, refuse } from './refusal.ts';
import { parseTimestamp } from './timestamp.ts';
import { Decimal, PlainDate, PlainTime, Uuid } from './values.ts';

/** Reads JSON in Python's dialect, with kombu's typed values, within `limits`. Never throws. */
export function parsePythonJson(text: string, limits: DecodeLimits): Decoded<unknown> {
  try {
    return accept(new Parser(text, limits).document());
  } catch (error) {
    if (error instanceof Refused) return refuse(error.reason, error.message);
    throw error;
  }
}

/** Carries a refusal out of the recursion; never leaves this file. */
class Refused extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

class Parser {
  readonly #text: string;
  readonly #limits: DecodeLimits;
  #at = 0;
  #depth = 0;
  #keys = 0;
  #values = 0;

  constructor(text: string, limits: DecodeLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  document(): unknown {
    this.#skipSpace();
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail();
    return value;
  }

  #value(): unknown {
    if (++this.#values > this.#limits.maxValues) this.#tooLarge(`more than ${this.#limits.maxValues} values`);
    switch (this.#text[this.#at]) {
      case '{':
        return this.#map();
      case '[':
        return this.#list();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      case 'N':
        return this.#word('NaN', Number.NaN);
      case 'I':
        return this.#word('Infinity', Number.POSITIVE_INFINITY);
      default:
        return this.#number();
    }
  }

  #list(): unknown[] {
    this.#enter();
    const list: unknown[] = [];
    if (this.#text[this.#at] !== ']') {
      for (;;) {
        list.push(this.#value());
        this.#skipSpace();
        if (this.#text[this.#at] !== ',') break;
        this.#at++;
        this.#skipSpace();
      }
    }
    this.#leave(']');
    return list;
  }

  #map(): unknown {
    this.#enter();
    const map: Record<string, unknown> = {};
    let count = 0;
    if (this.#text[this.#at] !== '}') {
      for (;;) {
        if (this.#text[this.#at] !== '"') this.#fail();
        if (++this.#keys > this.#limits.maxKeys) this.#tooLarge(`more than ${this.#limits.maxKeys} keys`);
        const key = this.#string();
        this.#skipSpace();
        if (this.#text[this.#at] !== ':') this.#fail();
        this.#at++;
        this.#skipSpace();
        const value = this.#value();
        // Defined like JSON.parse does it: an assignment would change the prototype.
        if (key === '__proto__')
          Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
        else map[key] = value;
        count++;
        this.#skipSpace();
        if (this.#text[this.#at] !== ',') break;
        this.#at++;
        this.#skipSpace();
      }
    }
    this.#leave('}');
    return count === 2 && Object.hasOwn(map, '__type__') && Object.hasOwn(map, '__value__')
      ? typedValue(map)
      : map;
  }

  #string(): string {
    const start = this.#at;
    let plain = true;
    for (let index = start + 1; ; index++) {
      const code = this.#text.charCodeAt(index);
      if (code === 0x22) {
        this.#at = index + 1;
        break;
      }
      if (code === 0x5c) {
        plain = false;
        index++;
      } else if (code < 0x20 || Number.isNaN(code)) {
        this.#at = Math.min(index, this.#text.length);
        this.#fail();
      }
    }
    if (plain) return this.#text.slice(start + 1, this.#at - 1);
    try {
      return String(JSON.parse(this.#text.slice(start, this.#at)));
    } catch {
      this.#at = start;
      return this.#fail();
    }
  }

  #number(): number | bigint {
    const start = this.#at;
    if (this.#text.startsWith('-Infinity', start)) {
      this.#at += 9;
      return Number.NEGATIVE_INFINITY;
    }
    if (this.#text[start] === '-') this.#at++;
    // No digit may follow a leading zero: `012` is not a number.
    if (this.#text[this.#at] === '0') this.#at++;
    else this.#digits();
    const isInteger = !this.#fraction();
    const length = this.#at - start;
    if (isInteger && length > this.#limits.maxDigits)
      this.#tooLarge(`an integer of more than ${this.#limits.maxDigits} digits`);
    const token = this.#text.slice(start, this.#at);
    const value = Number(token);
    return isInteger && !Number.isSafeInteger(value) ? BigInt(token) : value;
  }

  /** Reads `.5`, `e10` or `.5E-3`; whether there was one. Text that only begins like one is left for the caller. */
  #fraction(): boolean {
    const start = this.#at;
    if (this.#text[start] === '.' && isDigit(this.#text.charCodeAt(start + 1))) {
      this.#at++;
      this.#digits();
    }
    const letter = this.#text[this.#at];
    if (letter === 'e' || letter === 'E') {
      const sign = this.#text[this.#at + 1];
      const first = this.#at + (sign === '+' || sign === '-' ? 2 : 1);
      if (isDigit(this.#text.charCodeAt(first))) {
        this.#at = first;
        this.#digits();
      }
    }
    return this.#at > start;
  }

  /** Reads one or more digits. */
  #digits(): void {
    if (!isDigit(this.#text.charCodeAt(this.#at))) this.#fail();
    do this.#at++;
    while (isDigit(this.#text.charCodeAt(this.#at)));
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail();
    this.#at += word.length;
    return value;
  }

  #enter(): void {
    // This check also bounds the recursion of this parser.
    if (++this.#depth > this.#limits.maxDepth)
      this.#tooLarge(`nested deeper than ${this.#limits.maxDepth} levels`);
    this.#at++;
    this.#skipSpace();
  }

  #leave(bracket: string): void {
    if (this.#text[this.#at] !== bracket) this.#fail();
    this.#at++;
    this.#depth--;
  }

  #skipSpace(): void {
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  #fail(): never {
    const where = this.#at >= this.#text.length ? 'it ends too early' : `at character ${this.#at + 1}`;
    throw new Refused('body', `not JSON: ${where}`);
  }

  #tooLarge(detail: string): never {
    throw new Refused('too-large', detail);
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Reads kombu's typed value. An unknown type is refused, like in kombu: a task must not see half-decoded data. */
function typedValue(map: Record<string, unknown>): unknown {
  const type = map.__type__;
  const value = map.__value__;
  if (typeof type !== 'string') throw new Refused('body', `a typed value whose __type__ is ${kindOf(type)}`);
  try {
    if (type === 'uuid') return new Uuid(textOf(type, hexOf(value)));
    const text = textOf(type, value);
    switch (type) {
      case 'datetime':
        return readTimestamp(text);
      case 'date':
        return new PlainDate(text);
      case 'time':
        return new PlainTime(text);
      case 'decimal':
        return new Decimal(text);
      case 'bytes':
        return new Uint8Array(Buffer.from(text, 'utf8'));
      case 'base64':
        return new Uint8Array(Buffer.from(text, 'base64'));
    }
  } catch (error) {
    if (error instanceof RangeError) throw new Refused('body', `a typed value '${type}' that is invalid`);
    throw error;
  }
  throw new Refused('body', `a typed value of the unknown type '${type.slice(0, 40)}'`);
}

function readTimestamp(text: string): Date {
  const time = parseTimestamp(text);
  if (time === undefined) throw new RangeError('no timestamp');
  return time;
}

function hexOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'hex')
    ? (value as { hex: unknown }).hex
    : undefined;
}

function textOf(type: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Refused('body', `a typed value '${type.slice(0, 40)}' whose __value__ is ${kindOf(value)}`);
}
