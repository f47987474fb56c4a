// Reads what a Python file assigns, without running it: names, and values that are plain to see. Pure.

/** A value as it is written in Python. `unknown`: something that would have to be run. */
export type PythonValue =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'list'; readonly items: readonly PythonValue[] }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [PythonValue, PythonValue])[] }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly args: readonly PythonValue[];
      readonly kwargs: Readonly<Record<string, PythonValue>>;
    }
  | { readonly kind: 'unknown'; readonly source: string };

export interface Assignment {
  /** `CELERY_BROKER_URL`; of `app.conf.broker_url` only the last part. */
  readonly name: string;
  readonly value: PythonValue;
  /** From 1. */
  readonly line: number;
}

/**
 * All assignments at the left margin, those to `….conf.name`, `….conf['name']`, and the arguments of `….conf.update(…)` and
 * `Celery(…)`. A later one of the same name wins, as in Python.
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

interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'sign';
  readonly text: string;
  /** Of a string: what it says; null where that has to be run (f-strings). */
  readonly value?: string | null;
  readonly at: number;
}

const tokenPattern =
  /\s+|#[^\n]*|\\\n|(?<prefix>[rRbBuUfF]{0,2})(?<quote>"""|'''|"|')|(?<number>(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[\p{L}_][\p{L}\p{N}_]*)|(?<sign>\*\*|\/\/|[-+*/%=:,.()[\]{}@<>!|&^~;]=?)/suy;

/** Null: it cannot be read. */
function tokensOf(source: string): readonly Token[] | null {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    tokenPattern.lastIndex = at;
    const match = tokenPattern.exec(source);
    if (match === null) return null;
    const { quote, prefix = '', number, name, sign } = match.groups ?? {};
    const start = at;
    at = tokenPattern.lastIndex;
    if (quote !== undefined) {
      const end = endOfString(source, at, quote, /r/i.test(prefix));
      if (end === null) return null;
      const inside = source.slice(at, end);
      const value =
        /f/i.test(prefix) && /[{}]/.test(inside) ? null : /r/i.test(prefix) ? inside : unescaped(inside);
      at = end + quote.length;
      tokens.push({ kind: 'string', text: source.slice(start, at), value, at: start });
    } else if (number !== undefined) tokens.push({ kind: 'number', text: number, at: start });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, at: start });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, at: start });
  }
  return tokens;
}

function endOfString(source: string, from: number, quote: string, raw: boolean): number | null {
  for (let at = from; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (source.startsWith(quote, at)) return at;
    else if (quote.length === 1 && source[at] === '\n' && !raw) return null;
  }
  return null;
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, sign: string) => escapes[sign] ?? all);
}

/** Statements at the left margin, each with all of its lines. */
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

/** Whether brackets, a long string or a backslash say that it goes on. */
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

/** `NAME`, `app.conf.name`, `app.conf['name']`, also with a type; null: something else. */
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

function readValue(tokens: readonly Token[], source: string): PythonValue {
  const reader = new Reader(tokens);
  const value = reader.expression();
  if (value !== null && reader.isOver) return value;
  const start = tokens[0]?.at ?? 0;
  return { kind: 'unknown', source: source.slice(start).trim() };
}

/** Literals, their collections, calls, and arithmetic of numbers. Anything else: null. */
class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get isOver(): boolean {
    return this.#at >= this.#tokens.length;
  }

  expression(): PythonValue | null {
    return this.#operation(['+', '-'], () => this.#operation(['*', '/', '//'], () => this.#unary()));
  }

  #operation(signs: readonly string[], operand: () => PythonValue | null): PythonValue | null {
    let left = operand();
    for (;;) {
      const sign = this.#peek();
      if (left === null || sign === undefined || !signs.includes(sign)) return left;
      this.#at++;
      const right = operand();
      left = right === null ? null : computed(left, sign, right);
    }
  }

  #unary(): PythonValue | null {
    if (!this.#take('-')) return this.#atom();
    const value = this.#atom();
    return value?.kind === 'literal' && typeof value.value === 'number' ? literal(-value.value) : null;
  }

  #atom(): PythonValue | null {
    const token = this.#tokens[this.#at++];
    if (token === undefined) return null;
    switch (token.kind) {
      case 'number': {
        const number = Number(token.text.replaceAll('_', ''));
        return Number.isFinite(number) ? literal(number) : null;
      }
      case 'string':
        return this.#strings(token);
      case 'name':
        return this.#named(token.text);
      case 'sign':
        if (token.text === '[') return this.#list(']');
        if (token.text === '(') return this.#tuple();
        return token.text === '{' ? this.#braces() : null;
    }
  }

  /** Strings beside each other are one. */
  #strings(first: Token): PythonValue | null {
    let text = first.value ?? null;
    for (let next = this.#tokens[this.#at]; next?.kind === 'string'; next = this.#tokens[this.#at]) {
      text = text === null || next.value === null || next.value === undefined ? null : text + next.value;
      this.#at++;
    }
    return text === null ? null : literal(text);
  }

  #named(first: string): PythonValue | null {
    if (first === 'True' || first === 'False') return literal(first === 'True');
    if (first === 'None') return literal(null);
    let name = first;
    while (this.#peek() === '.') {
      this.#at++;
      const part = this.#tokens[this.#at++];
      if (part?.kind !== 'name') return null;
      name += `.${part.text}`;
    }
    if (this.#take('[')) {
      const key = this.expression();
      return key !== null && this.#take(']')
        ? { kind: 'call', name: `${name}[]`, args: [key], kwargs: {} }
        : null;
    }
    return this.#take('(') ? this.#call(name) : null;
  }

  #call(name: string): PythonValue | null {
    const args: PythonValue[] = [];
    const kwargs: Record<string, PythonValue> = {};
    while (!this.#take(')')) {
      const key = this.#tokens[this.#at];
      const named = key?.kind === 'name' && this.#tokens[this.#at + 1]?.text === '=';
      if (named) this.#at += 2;
      const value = this.expression();
      if (value === null) return null;
      if (named && key !== undefined) kwargs[key.text] = value;
      else args.push(value);
      if (!this.#take(',') && this.#peek() !== ')') return null;
    }
    return { kind: 'call', name, args, kwargs };
  }

  #list(end: string): PythonValue | null {
    const items: PythonValue[] = [];
    while (!this.#take(end)) {
      const value = this.expression();
      if (value === null) return null;
      items.push(value);
      if (!this.#take(',') && this.#peek() !== end) return null;
    }
    return { kind: 'list', items };
  }

  /** `(1)` is 1, `(1,)` a tuple. */
  #tuple(): PythonValue | null {
    const start = this.#at;
    const list = this.#list(')');
    if (list?.kind !== 'list') return null;
    const [only] = list.items;
    const comma = this.#tokens[this.#at - 2]?.text === ',' && this.#at - 2 >= start;
    return list.items.length === 1 && only !== undefined && !comma ? only : list;
  }

  #braces(): PythonValue | null {
    const entries: (readonly [PythonValue, PythonValue])[] = [];
    const items: PythonValue[] = [];
    while (!this.#take('}')) {
      const key = this.expression();
      if (key === null) return null;
      if (this.#take(':')) {
        const value = this.expression();
        if (value === null) return null;
        entries.push([key, value]);
      } else items.push(key);
      if (!this.#take(',') && this.#peek() !== '}') return null;
    }
    return items.length > 0 ? { kind: 'list', items } : { kind: 'dict', entries };
  }

  #peek(): string | undefined {
    const token = this.#tokens[this.#at];
    return token?.kind === 'sign' ? token.text : undefined;
  }

  #take(sign: string): boolean {
    if (this.#peek() !== sign) return false;
    this.#at++;
    return true;
  }
}

function literal(value: string | number | boolean | null): PythonValue {
  return { kind: 'literal', value };
}

function computed(left: PythonValue, sign: string, right: PythonValue): PythonValue | null {
  if (left.kind !== 'literal' || right.kind !== 'literal') return null;
  const { value: a } = left;
  const { value: b } = right;
  if (typeof a === 'string' && typeof b === 'string') return sign === '+' ? literal(a + b) : null;
  if (typeof a !== 'number' || typeof b !== 'number') return null;
  const results: Readonly<Record<string, number>> = {
    '+': a + b,
    '-': a - b,
    '*': a * b,
    '/': a / b,
    '//': Math.floor(a / b),
  };
  const result = results[sign];
  return result !== undefined && Number.isFinite(result) ? literal(result) : null;
}
