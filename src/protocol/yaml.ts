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
import { pyYamlTags } from './yaml-tags.ts';

/** Characters of YAML that are read. Its reader takes some 500 times the size in memory, and a second for a megabyte. */
const maxYamlSize = 256 * 1024;

/** @throws NotSerializableError */
export function encodeYaml(value: unknown): string {
  // Flow style is JSON with quotes that YAML reads alike, whatever the text looks like (`yes`, `1:30`, `~`).
  return `${write(normalize(value, yamlForm))}\n`;
}

/** Reads YAML. Total. */
export function decodeYaml(text: string, limits: DecodeLimits): Decoded<unknown> {
  if (text.length > maxYamlSize)
    return refuse('too-large', `${text.length} characters of YAML; the limit is ${maxYamlSize}`);
  const yaml = library();
  const tokens = [...new yaml.Parser().parse(text)];
  // What follows is recursive, and V8 ends the whole process if the stack is used up just where it compiles a regular
  // expression: depth is measured first, on the tokens, which the parser makes without recursion. Each alias may lead to
  // something as deep again.
  const { depth, aliases } = measure(tokens, limits.maxDepth);
  if (depth > limits.maxDepth) return refuse('too-large', `nested deeper than ${limits.maxDepth} levels`);
  if (aliases * depth > 2_000)
    return refuse('too-large', `YAML with ${aliases} aliases, nested ${depth} levels deep`);
  try {
    const documents = [...new yaml.Composer(options).compose(tokens, true, text.length)];
    const [document] = documents;
    if (document === undefined || documents.length > 1 || document.errors.length > 0) {
      return refuse('body', 'not one YAML document');
    }
    if (document.warnings.length > 0) return refuse('body', 'YAML with tags that are not read');
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return checkTree(value, limits) ?? accept(smallIntegers(value));
  } catch {
    return refuse('body', 'YAML that cannot be read, or that has too many aliases'); // the library throws for these
  }
}

const options: Library.DocumentOptions & Library.SchemaOptions & Library.ParseOptions = {
  version: '1.1',
  schema: 'failsafe',
  merge: true,
  uniqueKeys: false, // the library's check takes quadratic time, and in Python the last of two equal keys wins, too
  customTags: pyYamlTags,
  prettyErrors: false,
  logLevel: 'silent',
};

/** Depth and aliases; of what is deeper than `maxDepth` only that it is. */
function measure(tokens: readonly Library.CST.Token[], maxDepth: number): { depth: number; aliases: number } {
  let aliases = 0;
  let depth = -1; // the document is a level, too
  for (let level = [...tokens]; level.length > 0 && depth <= maxDepth; depth++) {
    aliases += level.filter(({ type }) => type === 'alias').length;
    level = level.flatMap(children);
  }
  return { depth, aliases };
}

function children(token: Library.CST.Token): Library.CST.Token[] {
  if (token.type === 'document') return token.value ? [token.value] : [];
  if (!('items' in token)) return [];
  return token.items.flatMap((item) => [item.key, item.value].filter((child) => child != null));
}

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
    if (
      typeof value !== 'object' ||
      value === null ||
      value instanceof Date ||
      value instanceof Uint8Array ||
      value instanceof PlainDate
    )
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
