// Parameters of Flower's API, from the query or a form. The last value of a name counts. Bad values are refused before they reach a worker.
import { Problem } from '../../../http/problem.ts';
import { readBytes } from '../../../http/request-body.ts';

/** Bytes. */
const maxFormSize = 65_536;
const maxLength = 512;

/** @throws Problem 413 */
export async function readParameters(request: Request): Promise<Parameters> {
  const values = new Map(new URL(request.url).searchParams);
  const type = request.headers.get('content-type') ?? '';
  if (request.method === 'POST' && /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    const bytes = await readBytes(request, maxFormSize);
    for (const [name, value] of new URLSearchParams(Buffer.from(bytes).toString('utf8')))
      values.set(name, value);
  }
  return new Parameters(values);
}

/** Each method throws Problem 400 for a value of a wrong type, as Flower does, and 422 for a missing or out-of-range value. */
export class Parameters {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.textOr(name, null) !== null;
  }

  text(name: string): string {
    return this.textOr(name, null) ?? missing(name);
  }

  textOr<T>(name: string, otherwise: T): string | T {
    const value = this.#values.get(name)?.trim() ?? '';
    return value === '' ? otherwise : checkedName(value, `'${name}'`);
  }

  flag(name: string, otherwise: boolean): boolean {
    const text = this.textOr(name, null)?.toLowerCase();
    if (text === undefined) return otherwise;
    if (['y', 'yes', 't', 'true', 'on', '1'].includes(text)) return true;
    if (['n', 'no', 'f', 'false', 'off', '0'].includes(text)) return false;
    throw wrongType(name, 'bool');
  }

  /** Without `otherwise` the parameter is required. */
  integer(
    name: string,
    { from, to, otherwise }: { readonly from: number; readonly to: number; readonly otherwise?: number },
  ): number {
    const text = this.textOr(name, null);
    if (text === null) return otherwise ?? missing(name);
    if (!/^[+-]?\d+$/.test(text)) throw wrongType(name, 'int');
    const value = Number(text);
    if (value < from || value > to)
      throw new Problem(422, `'${name}' must be a whole number from ${from} to ${to}, not ${text}`);
    return value;
  }

  /** Seconds; null: the parameter is missing. */
  seconds(name: string): number | null {
    const text = this.textOr(name, null);
    if (text === null) return null;
    if (!/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) throw wrongType(name, 'float');
    const value = Number(text);
    if (value >= 0 && value <= maxSeconds) return value;
    throw new Problem(422, `'${name}' must be seconds from 0 to ${maxSeconds}, not ${text}`);
  }
}

/** A year. */
const maxSeconds = 31_536_000;

/** @throws Problem 422 */
export function checkedName(value: string, what: string): string {
  if (value.length > 0 && value.length <= maxLength && !/\p{Cc}|[\ud800-\udfff]/u.test(value)) return value;
  throw new Problem(422, `${what} must be text of 1 to ${maxLength} characters, without control characters`);
}

function missing(name: string): never {
  throw new Problem(422, `the parameter '${name}' is missing`);
}

function wrongType(name: string, type: string): Problem {
  return new Problem(400, `Invalid argument '${name}' of type '${type}'`);
}
