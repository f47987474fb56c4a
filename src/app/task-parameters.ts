// What a task takes, as far as it is known at run time: from its schema, from its declared parameters, or from the text of its code.
import type { ObjectSchema } from '../config/standard-schema.ts';
import { isRecord } from '../lib/narrow.ts';
import type { AnyTask } from './task.ts';

/** The names of the code's parameters, for people. Empty when they cannot be read off easily. */
export function parameterNames({ run, options }: AnyTask): readonly string[] {
  const list = /^(?:async\s*)?(?:function\s*\w*\s*)?\(([^()[\]{}]*)\)/.exec(String(run))?.[1];
  if (list === undefined) return [];
  const names = list
    .split(',')
    .map((parameter) => parameter.replace(/[=:].*$/s, '').trim())
    .filter((name) => name !== '');
  return options.bind ? names.slice(1) : names;
}

/** Its JSON Schema (draft 2020-12), made by its library; an object of unknown shape, if the library cannot express it (dates, for instance). */
export function inputSchema(schema: ObjectSchema): Readonly<Record<string, unknown>> {
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

const anyObject: Readonly<Record<string, unknown>> = { type: 'object' };
const maxLength = 300;

/** For people, in one line: `{ to: string, copies?: number }`, `(a, b?)`; null: nothing is known. */
export function signatureOf(task: AnyTask): string | null {
  const text = fullSignatureOf(task);
  return text === null || text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

function fullSignatureOf(task: AnyTask): string | null {
  const { input, parameters } = task.options;
  if (input !== null) {
    const shape = shapeOf(inputSchema(input));
    return shape === 'object' ? null : shape;
  }
  if (parameters !== null) {
    const { names, required, rest } = parameters;
    const listed = names.map((name, at) => (at < required ? name : `${name}?`));
    return `(${[...listed, ...(rest === null ? [] : [`${rest}…`])].join(', ')})`;
  }
  if (task.run === null || task.run.length === 0) return null;
  const names = parameterNames(task);
  return names.length === 0 ? null : `(${names.join(', ')})`;
}

/** How a type is written in TypeScript, shortened: a schema within a schema two levels deep is `object`. */
function shapeOf(schema: unknown, depth = 0): string {
  if (!isRecord(schema)) return 'any';
  const { type, properties, required, items, enum: values } = schema;
  const inner = (each: unknown): string => shapeOf(each, depth + 1);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (Array.isArray(values)) return values.map((each) => JSON.stringify(each)).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return choices.map(inner).join(' | ');
  if (isRecord(properties) && depth < 2) {
    const needed: readonly unknown[] = Array.isArray(required) ? required : [];
    const members = Object.entries(properties).map(
      ([name, each]) => `${name}${needed.includes(name) ? '' : '?'}: ${inner(each)}`,
    );
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
  }
  if (type === 'array') return `${isRecord(items) ? inner(items) : 'any'}[]`;
  if (type === 'integer') return 'number';
  return typeof type === 'string' ? type : Array.isArray(type) ? type.join(' | ') : 'any';
}
