// The arguments of a task as JSON Schema: for the list of tasks, the API's description, and the forms of its docs page.

import type { AnyTask } from '../app/task.ts';
import type { ObjectSchema } from '../config/standard-schema.ts';
import { isRecord } from '../lib/narrow.ts';

/** A JSON Schema (draft 2020-12), as OpenAPI 3.1 takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The schema of the body that calls a task. For a keyword task it is made by the schema's library (JSON Schema 2020-12), with
 * references relative to `root`; for a positional task it is the list of its arguments, of which nothing is known at run time.
 */
export function bodySchema(task: AnyTask, root: string): JsonSchema {
  const { input } = task.options;
  return input === null ? positionalSchema(task) : rebased(inputSchema(input), root);
}

function positionalSchema(task: AnyTask): JsonSchema {
  const names = parameterNames(task);
  const hint =
    names.length > 0 ? `In this order: ${names.join(', ')}.` : 'The positional arguments, in order.';
  return {
    type: 'object',
    properties: { args: { type: 'array', items: {}, description: hint } },
    additionalProperties: false,
    examples: [{ args: names }],
  };
}

/** The names of the code's parameters, for people. Empty when they cannot be read off easily. */
function parameterNames({ run, options }: AnyTask): readonly string[] {
  const list = /^(?:async\s*)?(?:function\s*\w*\s*)?\(([^()[\]{}]*)\)/.exec(String(run))?.[1];
  if (list === undefined) return [];
  const names = list
    .split(',')
    .map((parameter) => parameter.replace(/[=:].*$/s, '').trim())
    .filter((name) => name !== '');
  return options.bind ? names.slice(1) : names;
}

/** An object of unknown shape, if the library cannot express the schema in JSON Schema (dates, for instance). */
function inputSchema(schema: ObjectSchema): JsonSchema {
  const { vendor, jsonSchema } = schema['~standard'];
  try {
    const options = { target: 'draft-2020-12' };
    // Only zod can leave out the parts that it cannot express, instead of failing.
    const lenient = vendor === 'zod' ? { ...options, libraryOptions: { unrepresentable: 'any' } } : options;
    const { $schema: _, ...rest } = jsonSchema?.input(lenient) ?? anyObject;
    return rest;
  } catch {
    return anyObject;
  }
}
const anyObject: JsonSchema = { type: 'object' };

/** Moves a schema to another place in a document: adapts its references to itself. */
function rebased(schema: JsonSchema, root: string): JsonSchema {
  return mapMembers(schema, (key, member) => {
    if (key === '$ref' && typeof member === 'string' && member.startsWith('#')) return root + member.slice(1);
    if (dataKeywords.has(key)) return member;
    // Its keys are names that the user chose: `default` may be one.
    if (mapsOfSchemas.has(key) && isRecord(member)) return mapMembers(member, (_, each) => inner(each, root));
    return inner(member, root);
  });
}

function inner(value: unknown, root: string): unknown {
  if (Array.isArray(value)) return value.map((member) => inner(member, root));
  return isRecord(value) ? rebased(value, root) : value;
}

function mapMembers(object: JsonSchema, change: (key: string, member: unknown) => unknown): JsonSchema {
  return Object.fromEntries(Object.entries(object).map(([key, member]) => [key, change(key, member)]));
}

const mapsOfSchemas: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
]);
/** The value of these keywords is a value, and no schema. */
const dataKeywords: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'example']);
