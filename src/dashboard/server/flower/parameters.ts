// Parameters of Flower's API: in the query or in a form, the last of a name counts. What is missing or absurd reaches no worker.
import { Problem } from '../../../http/problem.ts';
import { readBytes } from '../../../http/request-body.ts';

/** Forms are small. */
const largestForm = 65_536;
const longest = 512;

/** @throws Problem 413 */
export async function readParameters(request: Request): Promise<Parameters> {
  const values = new Map(new URL(request.url).searchParams);
  const type = request.headers.get('content-type') ?? '';
  if (request.method === 'POST' && /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    const bytes = await readBytes(request, largestForm);
    for (const [name, value] of new URLSearchParams(Buffer.from(bytes).toString('utf8')))
      values.set(name, value);
  }
  return new Parameters(values);
}

/** Each method throws Problem 400 for what cannot be read as its type, as Flower does, and 422 for what is missing or out of range. */
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

  /** Without `otherwise` it must be there. */
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

  /** Seconds; null: it is not there. */
  seconds(name: string): number | null {
    const text = this.textOr(name, null);
    if (text === null) return null;
    if (!/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) throw wrongType(name, 'float');
    const value = Number(text);
    if (value >= 0 && value <= longestSeconds) return value;
    throw new Problem(422, `'${name}' must be seconds from 0 to ${longestSeconds}, not ${text}`);
  }
}

/** A year. */
const longestSeconds = 31_536_000;

/** @throws Problem 422 */
export function checkedName(value: string, what: string): string {
  if (value.length > 0 && value.length <= longest && !/\p{Cc}|[\ud800-\udfff]/u.test(value)) return value;
  throw new Problem(422, `${what} must be text of 1 to ${longest} characters, without control characters`);
}

function missing(name: string): never {
  throw new Problem(422, `the parameter '${name}' is missing`);
}

function wrongType(name: string, type: string): Problem {
  return new Problem(400, `Invalid argument '${name}' of type '${type}'`);
}
