// Python's repr of arguments, for people: Celery shows `args=(2, 'two', None)`.
import { asBuffer, decodeUtf8 } from './bytes.ts';
import { Decimal, PlainDate, PlainTime, Uuid } from './values.ts';

/** Longest repr of the arguments in a message, in characters; Celery's `argsrepr_maxsize`. */
export const maxReprLength = 1024;

/**
 * The repr of positional arguments as Python's tuple: `(2, 'two', None)`, `(4,)`, `()`. Like Celery's `saferepr`, it shows lists deeper
 * than 3 levels as `[...]`, and is cut near `maxLength` characters. Its cost depends on the output only, not on the size of the values.
 */
export function reprArgs(args: readonly unknown[], maxLength: number = maxReprLength): string {
  if (args.length === 0) return '()';
  return new Repr(maxLength).tuple(args);
}

/** The repr of any value, like {@link reprArgs}: `{'z': 3}`, `True`, `None`. */
export function saferepr(value: unknown, maxLength: number = maxReprLength): string {
  if (value === null || value === undefined) return 'None'; // the fast path: most tasks return nothing
  return new Repr(maxLength).any(value);
}

const maxLevels = 3;

class Repr {
  #out = '';
  #left: number;
  #level = 0;
  #cut = false;

  constructor(maxLength: number) {
    this.#left = maxLength;
  }

  any(value: unknown): string {
    this.#value(value);
    return this.#out;
  }

  tuple(items: readonly unknown[]): string {
    this.#list(items, '(', items.length === 1 ? ',)' : ')');
    return this.#out;
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case 'string':
        this.#token(quote(value, this.#left));
        return;
      case 'number':
        this.#scalar(numberRepr(value));
        return;
      case 'boolean':
        this.#scalar(value ? 'True' : 'False');
        return;
      case 'bigint':
        this.#scalar(value.toString());
        return;
      case 'object':
        break;
      default:
        this.#scalar('None');
        return;
    }
    if (value === null) this.#scalar('None');
    else if (Array.isArray(value)) this.#list(value, '[', ']');
    else if (value instanceof Date) this.#scalar(dateRepr(value));
    else if (value instanceof Uint8Array) this.#token(bytesRepr(value, this.#left));
    else if (value instanceof Decimal) this.#scalar(`Decimal('${value.text}')`);
    else if (value instanceof Uuid) this.#scalar(`UUID('${value.text}')`);
    else if (value instanceof PlainDate)
      this.#scalar(`datetime.date(${value.text.split('-').map(Number).join(', ')})`);
    else if (value instanceof PlainTime) this.#scalar(`datetime.time('${value.text}')`);
    else this.#map(value);
  }

  #list(items: readonly unknown[], open: string, close: string): void {
    if (this.#level >= maxLevels) {
      this.#scalar(`${open}...${close}`);
      return;
    }
    if (!this.#token(open)) return;
    this.#level++;
    for (let index = 0; index < items.length && !this.#cut; index++) {
      if (index > 0 && !this.#token(', ')) break;
      this.#value(items[index]);
    }
    this.#close(close);
  }

  #map(map: object): void {
    if (this.#level >= maxLevels) {
      this.#scalar('{...}');
      return;
    }
    if (!this.#token('{')) return;
    this.#level++;
    let first = true;
    // `for in` instead of Object.entries, which would copy a million keys to show ten of them.
    for (const key in map) {
      if (!first && !this.#token(', ')) break;
      first = false;
      if (!this.#token(quote(key, this.#left)) || !this.#token(': ')) break;
      this.#value((map as Record<string, unknown>)[key]); // its own enumerable key
      if (this.#cut) break;
    }
    this.#close('}');
  }

  /** Writes a piece. When the room is used up it writes `...` once, and afterwards only closing brackets. */
  #token(text: string): boolean {
    if (this.#cut) return false;
    if (this.#left <= 0) {
      this.#out += ', ...';
      this.#cut = true;
      return false;
    }
    this.#out += text;
    this.#left -= text.length;
    return true;
  }

  #scalar(text: string): void {
    this.#token(text.length >= this.#left && this.#left > 0 ? truncate(text, this.#left) : text);
  }

  #close(bracket: string): void {
    this.#level--;
    // Closes each open bracket even without room. (Celery loses one bracket when the room ends exactly here.)
    this.#out += bracket;
    this.#left -= bracket.length;
  }
}

/** Celery's quoting, which differs from repr: only quotes are escaped, and long text is cut at a space. */
function quote(text: string, room: number): string {
  const shown = text.length >= room && room > 0 ? truncate(text, room) : text;
  return shown.includes("'") ? `'${shown.replaceAll("'", "\\'")}'` : `'${shown}'`;
}

function truncate(text: string, length: number): string {
  const start = text.slice(0, length);
  const space = start.lastIndexOf(' ');
  return `${(space >= 0 ? start.slice(0, space) : start).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** A number as Python shows it after reading our JSON: safe integers as int, all others as float. */
function numberRepr(value: number): string {
  if (Number.isSafeInteger(value)) return value === 0 ? '0' : String(value);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

function dateRepr(date: Date): string {
  if (Number.isNaN(date.getTime())) return 'Invalid Date';
  const micros = date.getUTCMilliseconds() * 1000;
  const parts = [
    date.getUTCFullYear(),
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
  ];
  if (date.getUTCSeconds() !== 0 || micros !== 0) parts.push(date.getUTCSeconds());
  if (micros !== 0) parts.push(micros);
  return `datetime.datetime(${parts.join(', ')}, tzinfo=datetime.timezone.utc)`;
}

function bytesRepr(bytes: Uint8Array, room: number): string {
  const shown = bytes.length > room ? bytes.subarray(0, Math.max(room, 0)) : bytes;
  const ellipsis = bytes.length > room ? '...' : '';
  const text = decodeUtf8(shown) ?? asBuffer(shown).toString('hex');
  return `b'${text}${ellipsis}'`;
}
