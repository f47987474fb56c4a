// The arguments of a task as JSON Schema: for the list of tasks, the API's description, and the forms of its docs page.

import type { AnyTask } from '../app/task.ts';
import { inputSchema, parameterNames } from '../app/task-parameters.ts';
import type { JsonSchema } from '../http/openapi.ts';
import { isRecord } from '../lib/narrow.ts';

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
