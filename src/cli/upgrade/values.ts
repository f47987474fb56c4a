// Reads Python values that need no computation. Pure.
import type { Token } from './tokens.ts';

/** A value in Python source. `unknown`: Python would have to compute it. */
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

/** The value in the tokens of a statement. */
export function readValue(tokens: readonly Token[], source: string): PythonValue {
  const reader = new Reader(tokens);
  const value = reader.expression();
  if (value !== null && reader.isOver) return value;
  const start = tokens[0]?.at ?? 0;
  return { kind: 'unknown', source: source.slice(start).trim() };
}

/** Reads literals, collections, calls, and arithmetic of numbers; null for everything else. */
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

  /** Adjacent strings are one string. */
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
