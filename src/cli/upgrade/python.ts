// Reads the assignments of a Python file without running it: names, and values that need no computation. Pure.
import { type Token, tokensOf } from './tokens.ts';
import { type PythonValue, readValue } from './values.ts';

export interface Assignment {
  /** `CELERY_BROKER_URL`; for `app.conf.broker_url` only the last part. */
  readonly name: string;
  readonly value: PythonValue;
  /** Number of the line, from 1. */
  readonly line: number;
}

/**
 * All assignments at the left margin, including those to `….conf.name` and `….conf['name']`, and the arguments of `….conf.update(…)` and
 * `Celery(…)`. A later assignment of the same name wins, as in Python.
 */
export function assignmentsOf(text: string): readonly Assignment[] {
  const found = new Map<string, Assignment>();
  for (const { source, line } of statements(text)) {
    for (const { name, value } of statementParts(source)) {
      found.delete(name);
      found.set(name, { name, value, line });
    }
  }
  return [...found.values()];
}

/** The statements at the left margin, each with all of its lines. */
function* statements(text: string): Iterable<{ source: string; line: number }> {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  for (let at = 0; at < lines.length; at++) {
    const first = lines[at] ?? '';
    if (!/^[\p{L}_]/u.test(first)) continue;
    let source = first;
    const line = at + 1;
    while (isOpen(source) && at + 1 < lines.length && at + 1 - line < 2000) source += `\n${lines[++at]}`;
    yield { source, line };
  }
}

/** Whether the statement continues on the next line: an open bracket, an open long string, or a backslash. */
function isOpen(source: string): boolean {
  if (source.endsWith('\\')) return true;
  const tokens = tokensOf(source);
  if (tokens === null) return /"""|'''/.test(source);
  let depth = 0;
  for (const { kind, text } of tokens) {
    if (kind !== 'sign') continue;
    if ('([{'.includes(text)) depth++;
    else if (')]}'.includes(text)) depth--;
  }
  return depth > 0;
}

function* statementParts(source: string): Iterable<{ name: string; value: PythonValue }> {
  const tokens = tokensOf(source);
  if (tokens === null) return;
  const assign = tokens.findIndex(({ kind, text }) => kind === 'sign' && text === '=');
  const depthless = tokens
    .slice(0, Math.max(0, assign))
    .every(({ text }) => !'({'.includes(text) || text === '');
  if (assign > 0 && depthless) {
    const name = targetOf(tokens.slice(0, assign));
    const rest = tokens.slice(assign + 1);
    const value = readValue(rest, source);
    if (name !== null) yield { name, value };
    // app = Celery('name', broker='…')
    if (value.kind === 'call' && /(?:^|\.)Celery$/.test(value.name)) yield* keywordsOf(value);
    return;
  }
  const value = readValue(tokens, source);
  if (value.kind === 'call' && /\.conf\.update$/.test(value.name)) {
    yield* keywordsOf(value);
    for (const arg of value.args) {
      if (arg.kind !== 'dict') continue;
      for (const [key, member] of arg.entries)
        if (key.kind === 'literal' && typeof key.value === 'string') yield { name: key.value, value: member };
    }
  }
}

function* keywordsOf({
  kwargs,
}: {
  readonly kwargs: Readonly<Record<string, PythonValue>>;
}): Iterable<{ name: string; value: PythonValue }> {
  for (const [name, value] of Object.entries(kwargs)) yield { name, value };
}

/** The name in `NAME`, `app.conf.name` or `app.conf['name']`, with or without a type; null: another kind of target. */
function targetOf(tokens: readonly Token[]): string | null {
  const texts = tokens.map(({ text }) => text);
  const colon = texts.indexOf(':');
  const words = colon > 0 ? texts.slice(0, colon) : texts;
  const [first] = words;
  if (words.length === 1 && first !== undefined) return first;
  const conf = words.lastIndexOf('conf');
  if (conf < 0) return null;
  const rest = words.slice(conf + 1);
  if (rest.length === 2 && rest[0] === '.') return rest[1] ?? null;
  const key = tokens[conf + 2];
  return rest.length === 3 && rest[0] === '[' && key?.kind === 'string' ? (key.value ?? null) : null;
}
