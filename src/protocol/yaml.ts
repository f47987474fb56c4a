// YAML 1.1 like PyYAML's safe_dump and safe_load: no tags that create objects, and few anchors.
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

/** Longest YAML that is read, in characters. The library needs about 500 times the size in memory, and a second for a megabyte. */
const maxYamlSize = 256 * 1024;

/** @throws NotSerializableError */
export function encodeYaml(value: unknown): string {
  // Flow style, which is like JSON: quoted text stays text in YAML, whatever it looks like (`yes`, `1:30`, `~`).
  return `${write(normalize(value, yamlForm))}\n`;
}

/** Reads YAML. Never throws. */
export function decodeYaml(text: string, limits: DecodeLimits): Decoded<unknown> {
  if (text.length > maxYamlSize)
    return refuse('too-large', `${text.length} characters of YAML; the limit is ${maxYamlSize}`);
  const yaml = library();
  const tokens = [...new yaml.Parser().parse(text)];
  // The composer is recursive, and V8 ends the whole process if the stack overflows while it compiles a regular expression. So the depth is
  // measured first, on the tokens, which the parser makes without recursion. Each alias may refer to a value of the same depth.
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
  uniqueKeys: false, // the library's check takes quadratic time; in Python, too, the last of two equal keys wins
  customTags: pyYamlTags,
  prettyErrors: false,
  logLevel: 'silent',
};

/** The depth of the nesting and the number of aliases. The search stops below `maxDepth`. */
function measure(tokens: readonly Library.CST.Token[], maxDepth: number): { depth: number; aliases: number } {
  let aliases = 0;
  let depth = -1; // the document counts as a level
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

/** Loaded at first use: loading takes a while, and most programs never read YAML. */
let loaded: typeof Library | undefined;

function library(): typeof Library {
  loaded ??= createRequire(import.meta.url)('yaml') as typeof Library; // require is untyped
  return loaded;
}

/** YAML's form of typed values: dates and bytes have one (the writer below makes it), the others become text. */
function yamlForm(value: TypedValue, path: Path): unknown {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Date) return new Bare(timestampAt(value, path));
  return value instanceof PlainDate ? new Bare(value.text) : value.text;
}

/** A date, which is written without quotes, since it is not text. */
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
      // YAML reads a key of more than 1024 characters only after a `?`.
      return `${name.length > 1000 ? '? ' : ''}${name}: ${write(member)}`;
    })
    .join(', ')}}`;
}

/** JSON's quoting, which YAML shares, except that YAML requires escapes for non-printable characters. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(unprintable, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

const unprintable = /[\u007f-\u00a0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[\u{10000}-\u{10ffff}]/gu;

/** YAML 1.1 reads a number as a float only if it has a decimal point. */
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
