// YAML 1.1 as PyYAML's safe_dump and safe_load: no tags that make objects, no anchors beyond a few.
import { createRequire } from 'node:module';
import type * as Library from 'yaml';
import { asBuffer } from './bytes.ts';
import { smallIntegers } from './integers.ts';
import { timestampAt } from './json.ts';
import type { DecodeLimits } from './limits.ts';
import type { Decoded } from './message.ts';
import { accept, isMap, refuse } from './refusal.ts';
import { normalize, type Path, PlainDate, type TypedValue } from './values.ts';

/** Characters of YAML that are read: a reader of YAML takes far longer than one of JSON. */
const maxYamlSize = 1024 * 1024;

/** @throws NotSerializableError */
export function encodeYaml(value: unknown): string {
  // Flow style is JSON with quotes that YAML reads alike, whatever the text looks like (`yes`, `1:30`, `~`).
  return `${write(normalize(value, yamlForm))}\n`;
}

/** Reads YAML. Total. */
export function decodeYaml(text: string, limits: DecodeLimits): Decoded<unknown> {
  if (text.length > maxYamlSize)
    return refuse('too-large', `${text.length} characters of YAML; the limit is ${maxYamlSize}`);
  try {
    const document = library().parseDocument(text, {
      version: '1.1',
      schema: 'yaml-1.1',
      intAsBigInt: true,
      prettyErrors: false,
      logLevel: 'silent',
      customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || !refusedTags.has(tag.tag)),
    });
    if (document.errors.length > 0) return refuse('body', 'not YAML');
    if (document.warnings.length > 0) return refuse('body', 'YAML with tags that are not read');
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    const problem = checkTree(value, limits);
    return problem ?? accept(smallIntegers(value));
  } catch {
    // Its composer is recursive: deep nesting ends it with a RangeError; many aliases with a ReferenceError.
    return refuse('body', 'YAML that cannot be read: nested too deeply, or with too many aliases');
  }
}

const refusedTags = new Set(['tag:yaml.org,2002:set', 'tag:yaml.org,2002:omap', 'tag:yaml.org,2002:pairs']);

/** Loaded at the first use: it takes a while, and most programs never see YAML. */
let loaded: typeof Library | undefined;

function library(): typeof Library {
  loaded ??= createRequire(import.meta.url)('yaml') as typeof Library; // require is untyped
  return loaded;
}

/** `normalize` keeps them for the writer below: YAML has a form for both. */
function yamlForm(value: TypedValue, path: Path): unknown {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Date) return new Bare(timestampAt(value, path));
  return value instanceof PlainDate ? new Bare(value.text) : value.text;
}

/** Text that is written without quotes, because it is not meant as text. */
class Bare {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function write(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value);
    case 'number':
      return numberText(value);
    case 'object':
      break;
    default:
      return String(value);
  }
  if (value === null) return 'null';
  if (value instanceof Bare) return value.text;
  if (value instanceof Uint8Array) return `!!binary "${asBuffer(value).toString('base64')}"`;
  if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, member]) => {
      const name = quoted(key);
      // YAML takes no key of more than 1024 characters unless it is announced.
      return `${name.length > 1000 ? '? ' : ''}${name}: ${write(member)}`;
    })
    .join(', ')}}`;
}

/** JSON's quoting is YAML's, except that YAML wants what cannot be printed escaped. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(unprintable, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const unprintable = /[\u007f-\u00a0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[\u{10000}-\u{10ffff}]/gu;

/** YAML 1.1 takes a number for a float only if it has a point. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf';
  if (Number.isSafeInteger(value)) return String(value);
  const text = String(value);
  if (text.includes('.')) return text;
  return text.includes('e') ? text.replace('e', '.0e') : `${text}.0`;
}

function checkTree(root: unknown, limits: DecodeLimits): Decoded<never> | undefined {
  let left = limits.maxValues;
  const visit = (value: unknown, depth: number): Decoded<never> | undefined => {
    if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Uint8Array)
      return undefined;
    if (depth === 0)
      return refuse('too-large', `nested deeper than ${limits.maxDepth} levels, or within itself`);
    if (!Array.isArray(value) && !isMap(value))
      return refuse('body', 'YAML of a kind that a task cannot take');
    for (const member of Object.values(value)) {
      if (--left < 0) return refuse('too-large', `more than ${limits.maxValues} values`);
      const problem = visit(member, depth - 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  return visit(root, limits.maxDepth);
}
