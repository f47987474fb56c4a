// A table with a row for each option. The rows yield the types of given and of read options, the checks with their errors, the nearest known
// name for a typing error, the flags of the command line, and the documentation.
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { suggest } from './suggest.ts';

/** The check of an option's value. */
export interface Check<In, Out = In> {
  /** Description of valid values, for errors and documentation. */
  readonly expected: string;
  /** The value in its internal form; `undefined`: it is invalid. May throw its own error, in which `what` names the option. */
  readonly accept: (value: unknown, what: string) => Out | undefined;
  /** The form of the value on the command line, if that differs. `read` returns `undefined` for invalid text. */
  readonly text?: { readonly expected: string; readonly read: (text: string) => unknown };
  /** On the command line: its flags, and its line in the help. */
  readonly flag?: readonly [flags: string, help: string];
  /** The valid values, if there are only a few. */
  readonly choices?: readonly string[];
  /** Never set. It carries the type of given values (as a function's result, so that an editor shows the type by its name). */
  readonly given?: () => In;
}

/** What a row may say besides. */
interface Notes {
  /** Celery's name, where it is not ours in Python's spelling. */
  readonly celery?: string;
  /** Celery's default is None: null says nothing. */
  readonly nullMeansUnset?: boolean;
  /** Variables of the environment that say it, the first first. */
  readonly variables?: readonly string[];
}

/** An option with a default. */
export interface Field<In, Out = In> extends Check<In, Out> {
  readonly standard: Out | SameAs<Out>;
  readonly notes: Notes;
}

/** A default that another option, or a setting, says. */
export class SameAs<Out> {
  readonly name: string;
  /** Never set: it carries the type. */
  declare readonly value?: Out;

  constructor(name: string) {
    this.name = name;
  }
}

/** A row, with its default. JSDoc above it is the option's documentation, in an editor as in the reference. */
export function field<In, Out>(
  check: Check<In, Out>,
  standard: NoInfer<Out> | SameAs<NoInfer<Out>>,
  notes: Notes = {},
): Field<In, Out> {
  return { ...check, standard, notes };
}

export type Table = Readonly<Record<string, Check<unknown>>>;

type GivenFor<Row> = Row extends Check<infer In, unknown> ? In : never;

/** The values that may be given, by name. */
export type Given<T> = { readonly [Name in keyof T]: GivenFor<T[Name]> };

/** Like `Given`, with all values optional. */
export type Options<T> = { readonly [Name in keyof T]?: GivenFor<T[Name]> };

/** The values as they are read. */
export type Read<T> = { readonly [Name in keyof T]: T[Name] extends Check<unknown, infer Out> ? Out : never };

/** @throws ConfigError naming `what` and what it must be */
export function readValue<Out>(check: Check<unknown, Out>, value: unknown, what: string): Out {
  const read = check.accept(value, what);
  if (read === undefined) throw new ConfigError(`${what} must be ${check.expected}, not ${shown(value)}`);
  return read;
}

/** @throws UnknownOptionError naming the nearest known one */
function checkNames(table: object, given: object, where: string): void {
  for (const name of Object.keys(given))
    if (!Object.hasOwn(table, name))
      throw new UnknownOptionError(name, where, suggest(name, Object.keys(table)));
}

/** Checks given options without adding defaults, for options whose defaults come from elsewhere. @throws UnknownOptionError, ConfigError */
export function checkOptions(table: Table, given: object, where: string, joint: 'in' | 'of' = 'in'): void {
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(table, name) ? table[name] : undefined;
    if (check === undefined) throw new UnknownOptionError(name, where, suggest(name, Object.keys(table)));
    if (value !== undefined) readValue(check, value, `'${name}' ${joint} ${where}`);
  }
}

/**
 * Reads a table's options. `outer` has what {@link SameAs} names.
 * @throws UnknownOptionError, ConfigError
 */
export function readOptions<T extends Readonly<Record<string, Field<unknown>>>>(
  table: T,
  given: object,
  where: string,
  outer: object = {},
  joint: 'in' | 'of' = 'in',
): Read<T> {
  checkNames(table, given, where);
  const values = given as Readonly<Record<string, unknown>>; // any object is
  return readFields(
    table,
    (name) => values[name],
    (name) => `'${name}' ${joint} ${where}`,
    outer,
  );
}

/**
 * The same for values that are found by `find`; `what` names one in an error. Without `outer` a default is that of a row above.
 * @throws ConfigError
 */
export function readFields<T extends Readonly<Record<string, Field<unknown>>>>(
  table: T,
  find: (name: string) => unknown,
  what: (name: string) => string,
  outer?: object,
): Read<T> {
  const read: Record<string, unknown> = {};
  const defaults = (outer ?? read) as Readonly<Record<string, unknown>>; // any object is
  for (const [name, row] of Object.entries<Field<unknown>>(table)) {
    const value = find(name);
    if (value !== undefined) read[name] = readValue(row, value, what(name));
    else read[name] = row.standard instanceof SameAs ? defaults[row.standard.name] : row.standard;
  }
  return read as Read<T>; // each by its row
}

/** URLs can hold passwords: text is not shown. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value.trim() === '' ? 'empty text' : 'this text';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}
