// The public names of the package and their members, read from the declarations that tsc writes, whose layout is regular: one statement
// at the margin, its members four spaces further in. No compiler is needed for that, and none is started.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A public name (`App`), or a member of one (`App.task`). */
export interface Documentable {
  readonly name: string;
  readonly documented: boolean;
}

/** What a user of these entry points can name. A member of a name that two entry points export is there once. */
export function publicMembers(entries: readonly string[]): readonly Documentable[] {
  const found = new Map<string, Documentable>();
  for (const entry of entries)
    for (const [name, { text, exported, file }] of exportsOf(entry))
      for (const each of membersOf(text, name, exported)) {
        const key = `${file} ${each.name}`;
        // An overload without a comment has that of the first one.
        if (!found.get(key)?.documented) found.set(key, each);
      }
  return [...found.values()];
}

interface Declaration {
  readonly text: string;
  readonly file: string;
  /** Its name there; it may be exported under another one. */
  readonly exported: string;
}

/** Members that each reader knows: the comment of the class says how it is made. */
const understood: ReadonlySet<string> = new Set(['constructor', 'toJSON', 'toString', 'set', 'private']);

const heads = '^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const|let) ';

/** The names that a file exports, each with the place of its declaration. */
function exportsOf(file: string): ReadonlyMap<string, Declaration> {
  const text = readFileSync(file, 'utf8');
  const found = new Map<string, Declaration>();
  for (const [, name = ''] of text.matchAll(new RegExp(`${heads}(\\w+)`, 'gm')))
    found.set(name, { text, file, exported: name });
  for (const [, names = '', from] of text.matchAll(/^export (?:type )?\{([^}]*)\}(?: from '(\.[^']+)')?;/gm))
    for (const [name, as] of pairs(names)) {
      const declaration = from === undefined ? imported(text, file, name) : exportedBy(from, file, name);
      if (declaration !== undefined) found.set(as, declaration);
    }
  return found;
}

/** What a file imports from its neighbours under this name, and exports again. */
function imported(text: string, file: string, name: string): Declaration | undefined {
  for (const [, names = '', from = ''] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']+)';/gm))
    for (const [given, as] of pairs(names)) if (as === name) return exportedBy(from, file, given);
  return undefined;
}

function exportedBy(from: string, file: string, name: string): Declaration | undefined {
  return exportsOf(join(dirname(file), from.replace(/\.[jt]s$/, '.d.ts'))).get(name);
}

/** `A, type B as C` is A under its own name, and B as C. */
function pairs(names: string): readonly (readonly [name: string, as: string])[] {
  return names
    .split(',')
    .filter((each) => each.trim() !== '')
    .map((each) => {
      const [name = '', as = name] = each
        .trim()
        .replace(/^type /, '')
        .split(' as ');
      return [name, as];
    });
}

function* membersOf(text: string, as: string, name: string): Iterable<Documentable> {
  const lines = text.split('\n');
  const head = new RegExp(`${heads}${name}\\b`);
  for (const [at, line] of lines.entries()) {
    if (!head.test(line)) continue;
    yield { name: as, documented: hasComment(lines, at) };
    // The comment of a union is for all of its members.
    const end = lines.findIndex((each, index) => index > at && each.startsWith('}'));
    if (!/^(?!.*\bfunction\b)(?!.* \| \{$).*\{$/.test(line) || !/^\};?$/.test(lines[end] ?? '')) continue;
    for (let next = at + 1; next < end; next++) {
      const member = /^ {4}(?:static |readonly |get |abstract )*(\w+)(?:\?|!)?[:(<;]/.exec(
        lines[next] ?? '',
      )?.[1];
      if (member === undefined || understood.has(member)) continue;
      yield { name: `${as}.${member}`, documented: hasComment(lines, next) };
    }
  }
}

function hasComment(lines: readonly string[], at: number): boolean {
  return lines[at - 1]?.trimEnd().endsWith('*/') ?? false;
}
