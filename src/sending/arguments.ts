// Conversion of arguments between their form on the wire and the parameters of a task's code, and the checks on both sides.

import { isKeywords } from '../config/checks.ts';
import type { ParameterNames } from '../config/parameters.ts';
import type { TaskCallOptions } from '../config/sendable-task.ts';
import type { ObjectSchema, SchemaIssue, SchemaResult } from '../config/standard-schema.ts';
import { type ArgumentIssue, InvalidArgumentsError } from '../errors.ts';
import type { Json } from '../protocol/message.ts';

/**
 * The arguments for the task's code. Positional ones stay as they came; named ones get the places of the parameters that the task declares. A
 * task with a schema gets the one object that the schema made of the keyword arguments; positional arguments (of a Python caller) are
 * matched to the schema's keys in order. A promise only if the schema is asynchronous.
 * @throws InvalidArgumentsError (or rejects with it) naming the path
 */
export function bindArguments(
  name: string,
  { input: schema, parameters }: Pick<TaskCallOptions, 'input' | 'parameters'>,
  args: readonly unknown[],
  kwargs: Json,
): readonly unknown[] | Promise<readonly unknown[]> {
  if (parameters !== null) return byName(name, parameters, args, kwargs);
  if (schema === null) {
    for (const key in kwargs) throw keywordRefused(name, key);
    return args;
  }
  const result = validate(name, schema, args.length === 0 ? kwargs : matchKeys(name, schema, args, kwargs));
  return result instanceof Promise ? result.then((value) => [value]) : [result];
}

/** As Python calls a function: each parameter by position or by name. */
function byName(
  task: string,
  { names, required, rest }: ParameterNames,
  args: readonly unknown[],
  kwargs: Json,
): readonly unknown[] {
  const refused = (path: string, message: string): InvalidArgumentsError =>
    new InvalidArgumentsError(task, [{ path, message }]);
  if (args.length > names.length && rest !== '*')
    throw refused(
      '$args',
      `takes at most ${names.length} positional arguments (${names.join(', ')}), ${args.length} given`,
    );
  const bound = args.slice(0, names.length);
  const others: Record<string, unknown> = {};
  const given = new Set(names.slice(0, args.length));
  for (const [key, value] of Object.entries(kwargs)) {
    const path = `$kwargs${pathOf([key]).slice(1)}`;
    if (given.has(key)) throw refused(path, 'given twice, by position and by name');
    const place = names.indexOf(key);
    if (place >= 0) bound[place] = value;
    else if (rest === '**') others[key] = value;
    else throw refused(path, `the task has no such parameter; it has ${names.join(', ')}`);
  }
  const missing = names
    .slice(0, required)
    .filter((name, place) => place >= args.length && !Object.hasOwn(kwargs, name));
  if (missing.length > 0) throw refused('$args', `misses ${missing.join(', ')}`);
  // Parameters that are missing in between are undefined, so that the code's own defaults apply.
  if (rest === '**') return [...Array.from(names, (_, place) => bound[place]), others];
  return [...Array.from(bound), ...args.slice(names.length)];
}

/**
 * The object of a keyword task's call, as keyword arguments.
 * @throws InvalidArgumentsError when it is no object
 */
export function toKwargs(name: string, input?: unknown, ...more: readonly unknown[]): Json {
  if (more.length === 0 && input === undefined) return {};
  if (more.length === 0 && isKeywords(input)) return input;
  throw new InvalidArgumentsError(name, [
    { path: '$', message: 'the task takes one object with its arguments' },
  ]);
}

/**
 * Checks a call by name, which no compiler has checked.
 * @throws InvalidArgumentsError when the arguments are no list, or the keyword arguments no object
 */
export function checkShape(name: string, args: unknown, kwargs: unknown): void {
  if (!Array.isArray(args))
    throw new InvalidArgumentsError(name, [{ path: '$args', message: 'the arguments are given as a list' }]);
  if (!isKeywords(kwargs)) {
    throw new InvalidArgumentsError(name, [
      { path: '$kwargs', message: 'the keyword arguments are given as a plain object' },
    ]);
  }
}

/** The names of a schema's members in their order; `null`: the schema does not show them. */
function schemaKeys(schema: ObjectSchema): readonly string[] | null {
  const cached = keysOf.get(schema);
  if (cached !== undefined) return cached;
  const keys = readKeys(schema);
  keysOf.set(schema, keys);
  return keys;
}

const keysOf = new WeakMap<ObjectSchema, readonly string[] | null>();

function readKeys(schema: ObjectSchema): readonly string[] | null {
  // The member definitions, in their order: zod calls them `shape`, valibot `entries`.
  for (const member of ['shape', 'entries'] as const) {
    const members: unknown = Reflect.get(schema, member);
    if (typeof members === 'object' && members !== null) return Object.keys(members);
  }
  try {
    const properties = schema['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }).properties;
    return typeof properties === 'object' && properties !== null ? Object.keys(properties) : null;
  } catch {
    return null; // it has members that JSON Schema cannot express
  }
}

function matchKeys(name: string, schema: ObjectSchema, args: readonly unknown[], kwargs: Json): Json {
  const keys = schemaKeys(schema);
  if (keys === null) {
    throw new InvalidArgumentsError(name, [
      {
        path: '$args',
        message:
          'the order of its schema is not known, so positional arguments cannot be matched; send keyword arguments',
      },
    ]);
  }
  if (args.length > keys.length) {
    throw new InvalidArgumentsError(name, [
      {
        path: '$args',
        message: `takes at most ${keys.length} arguments (${keys.join(', ')}), ${args.length} given`,
      },
    ]);
  }
  const input: Record<string, unknown> = {};
  for (const [index, value] of args.entries()) {
    const key = keys[index] ?? '';
    if (Object.hasOwn(kwargs, key)) {
      throw new InvalidArgumentsError(name, [
        { path: pathOf([key]), message: 'given twice, by position and by name' },
      ]);
    }
    input[key] = value;
  }
  return { ...input, ...kwargs };
}

function validate(name: string, schema: ObjectSchema, input: Json): unknown {
  const result = schema['~standard'].validate(input);
  return result instanceof Promise
    ? result.then((settled) => accepted(name, settled))
    : accepted(name, result);
}

function accepted(name: string, result: SchemaResult<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  throw new InvalidArgumentsError(name, result.issues.map(toArgumentIssue));
}

function toArgumentIssue(issue: SchemaIssue): ArgumentIssue {
  return {
    path: pathOf((issue.path ?? []).map((step) => (typeof step === 'object' ? step.key : step))),
    message: issue.message,
  };
}

/** `$.rows[3].id` */
function pathOf(steps: readonly PropertyKey[]): string {
  let path = '$';
  for (const step of steps) {
    if (typeof step === 'number' || /^\d+$/.test(String(step))) path += `[${String(step)}]`;
    else if (/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(String(step))) path += `.${String(step)}`;
    else path += `[${JSON.stringify(String(step))}]`;
  }
  return path;
}

function keywordRefused(name: string, key: string): InvalidArgumentsError {
  return new InvalidArgumentsError(name, [
    {
      path: `$kwargs${pathOf([key]).slice(1)}`,
      message:
        "the task takes positional arguments only; name its parameters (parameters: ['x', 'y']), or give it a schema (input), to take keyword arguments",
    },
  ]);
}

/** No keyword arguments, no headers. Compared by identity. */
export const noKwargs: Json = Object.freeze({});
