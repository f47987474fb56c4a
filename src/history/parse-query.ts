// The query language for tasks: state:failure name:mail.* args.user.id:5 runtime:>10s ended:<1h "timeout" NOT tag:x
import { QuerySyntaxError } from '../errors.ts';
import { toMs } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import type { Comparison, Condition, MemberTest, Test } from './condition.ts';
import { type FieldKind, type FieldName, fields } from './fields.ts';

const longestQuery = 2_048;
const maxTerms = 128;
const deepest = 20;

/**
 * Reads a query. Null: the query is empty, and means all tasks.
 * @throws QuerySyntaxError with the position of the error
 */
export function parseQuery(query: string): Condition | null {
  if (query.length > longestQuery)
    throw new QuerySyntaxError(query, longestQuery, `a query has ${longestQuery} characters at most`);
  const tokens = tokensOf(query);
  return tokens.length === 0 ? null : new Parser(query, tokens).parse();
}

type Token =
  | { readonly kind: '(' | ')' | 'AND' | 'OR' | 'NOT'; readonly at: number }
  /** `field` null: free text. `quoted`: the value stood in quotation marks, and is taken literally. */
  | {
      readonly kind: 'term';
      readonly at: number;
      readonly field: string | null;
      readonly valueAt: number;
      readonly value: string;
      readonly quoted: boolean;
    };

function tokensOf(query: string): readonly Token[] {
  const tokens: Token[] = [];
  const scanner = /\s*(?:([()])|([a-z_]+(?:\.(?:[^\s()":.]+|"(?:[^"\\]|\\.)*"))*):|)/iy;
  for (let at = 0; ; ) {
    scanner.lastIndex = at;
    const found = scanner.exec(query);
    if (found === null) break; // never: the expression matches the empty text
    const [all, bracket, field] = found;
    const start = at + all.length - (bracket ?? (field === undefined ? '' : `${field}:`)).length;
    at += all.length;
    if (bracket === '(' || bracket === ')') {
      tokens.push({ kind: bracket, at: start });
      continue;
    }
    if (at >= query.length && field === undefined) break;
    const { value, quoted, end } = valueAt(query, at);
    if (field !== undefined && end === at)
      throw new QuerySyntaxError(
        query,
        at,
        `'${field}:' needs a value; 'NOT ${field}:*' finds what is unknown`,
      );
    if (field === undefined && !quoted && (value === 'AND' || value === 'OR' || value === 'NOT'))
      tokens.push({ kind: value, at: start });
    else tokens.push({ kind: 'term', at: start, field: field ?? null, valueAt: at, value, quoted });
    at = end;
  }
  return tokens;
}

/** A word up to the next space or bracket, or a text in quotation marks. */
function valueAt(query: string, at: number): { value: string; quoted: boolean; end: number } {
  if (query[at] !== '"') {
    const [value = ''] = /^[^\s()]*/.exec(query.slice(at)) ?? [];
    return { value, quoted: false, end: at + value.length };
  }
  const [text] = /^"(?:[^"\\]|\\.)*"/s.exec(query.slice(at)) ?? [];
  if (text === undefined) throw new QuerySyntaxError(query, at, 'the quotation mark is not closed');
  return { value: unquoted(text), quoted: true, end: at + text.length };
}

/** A text without its quotation marks, `\"` and `\\` unescaped. */
function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/gs, '$1') : text;
}

class Parser {
  readonly #query: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #terms = 0;

  constructor(query: string, tokens: readonly Token[]) {
    this.#query = query;
    this.#tokens = tokens;
  }

  parse(): Condition {
    const condition = this.#any(0);
    const left = this.#tokens[this.#next];
    if (left !== undefined) this.#fail(left.at, "there is no '(' for this ')'");
    return condition;
  }

  #any(depth: number): Condition {
    const of = [this.#all(depth)];
    while (this.#take('OR')) of.push(this.#all(depth));
    return joined('any', of);
  }

  #all(depth: number): Condition {
    const of = [this.#one(depth)];
    for (;;) {
      const isNamed = this.#take('AND');
      const next = this.#tokens[this.#next]?.kind;
      if (!isNamed && (next === undefined || next === 'OR' || next === ')')) return joined('all', of);
      of.push(this.#one(depth));
    }
  }

  #one(depth: number): Condition {
    const token = this.#tokens[this.#next++];
    if (token === undefined) this.#fail(this.#query.length, 'the query ends where a condition should stand');
    if (depth > deepest) this.#fail(token.at, `brackets and NOT go ${deepest} levels deep at most`);
    switch (token.kind) {
      case 'term':
        if (++this.#terms > maxTerms) this.#fail(token.at, `a query has ${maxTerms} conditions at most`);
        return conditionOf(this.#query, token);
      case 'NOT':
        return { kind: 'not', of: this.#one(depth + 1) };
      case '(': {
        const inner = this.#any(depth + 1);
        if (!this.#take(')')) this.#fail(token.at, "the bracket '(' is not closed");
        return inner;
      }
      case ')':
        return this.#fail(token.at, "a condition should stand before this ')'");
      case 'AND':
      case 'OR':
        return this.#fail(
          token.at,
          `a condition should stand before this ${token.kind}; to look for the word, write "${token.kind}"`,
        );
    }
  }

  #take(kind: Token['kind']): boolean {
    if (this.#tokens[this.#next]?.kind !== kind) return false;
    this.#next++;
    return true;
  }

  #fail(at: number, problem: string): never {
    throw new QuerySyntaxError(this.#query, at, problem);
  }
}

function joined(kind: 'all' | 'any', of: readonly Condition[]): Condition {
  const [first] = of;
  return of.length === 1 && first !== undefined ? first : { kind, of };
}

type Term = Extract<Token, { kind: 'term' }>;

function conditionOf(query: string, term: Term): Condition {
  const { field: named, value, quoted } = term;
  if (named === null) return { kind: 'text', text: value };
  const [head = '', ...path] = [...named.matchAll(/"(?:[^"\\]|\\.)*"|[^."]+/g)].map(([part]) =>
    unquoted(part),
  );
  const field = head.toLowerCase();
  if (!isField(field)) {
    const near = suggest(field, Object.keys(fields));
    const hint =
      near === undefined ? `there are ${Object.keys(fields).join(', ')}` : `did you mean '${near}'?`;
    throw new QuerySyntaxError(
      query,
      term.at,
      `there is no field '${head}'; ${hint}. Text with a colon stands in quotation marks`,
    );
  }
  if (path.length > 0) {
    if (field !== 'args' && field !== 'kwargs')
      throw new QuerySyntaxError(query, term.at, `'${field}' has no members; 'args' and 'kwargs' have`);
    if (path.some((part) => /["\\\0]/.test(part)))
      throw new QuerySyntaxError(
        query,
        term.at,
        'the name of a member cannot have a quotation mark or a backslash',
      );
    return { kind: 'member', of: field, path, test: memberTest(query, term) };
  }
  if (value === '*' && !quoted) return { kind: 'field', field, test: { kind: 'known' } };
  if (field === 'tag') {
    const at = value.indexOf('=');
    const name = at < 0 ? value : value.slice(0, at);
    if (name === '' || /["\\\0]/.test(name))
      throw new QuerySyntaxError(
        query,
        term.valueAt,
        "this is no stamp's name: tag:customer, or tag:customer=7",
      );
    return { kind: 'stamp', name, value: at < 0 ? null : value.slice(at + 1) };
  }
  return { kind: 'field', field, test: testOf(query, term, fields[field].kind) };
}

function isField(name: string): name is FieldName {
  return Object.hasOwn(fields, name);
}

function memberTest(query: string, term: Term): MemberTest {
  const { value, quoted } = term;
  const asText = JSON.stringify(value);
  if (quoted) return { kind: 'json', oneOf: [asText] };
  if (value === '*') return { kind: 'known' };
  const compared = /^([<>]=?)(.*)$/s.exec(value);
  if (compared !== null) {
    const [, op = '', number = ''] = compared;
    return { kind: 'number', op: op as Comparison, value: numberOf(query, term, number) };
  }
  if (value.includes('*')) return { kind: 'like', glob: value };
  const isJson = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?)$/.test(value);
  return { kind: 'json', oneOf: isJson ? [asText, JSON.stringify(JSON.parse(value))] : [asText] };
}

function testOf(query: string, term: Term, kind: Exclude<FieldKind, 'stamp'>): Test {
  const { value, quoted } = term;
  switch (kind) {
    case 'state':
      return { kind: 'is', text: stateOf(query, term) };
    case 'word':
    case 'node':
      return value.includes('*') && !quoted ? { kind: 'like', glob: value } : { kind: 'is', text: value };
    case 'text':
      return { kind: 'holds', text: value };
    case 'number':
      return amountTest(query, term, (text) => numberOf(query, term, text));
    case 'duration':
      return amountTest(query, term, (text) => durationOf(query, term, text));
    case 'age':
    case 'due':
      return timeTest(query, term, kind === 'age' ? 1 : -1);
  }
}

const states = ['PENDING', 'RECEIVED', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED', 'REJECTED'];

function stateOf(query: string, { value, valueAt: at }: Term): string {
  const state = value.toUpperCase();
  if (states.includes(state)) return state;
  const near = suggest(state, states);
  const hint = near === undefined ? `there are ${states.join(', ')}` : `did you mean ${near}?`;
  throw new QuerySyntaxError(query, at, `there is no state '${value}'; ${hint}`);
}

/** Reads `3`, `>3` or `2..5` (both limits included). */
function amountTest(query: string, term: Term, read: (text: string) => number): Test {
  const { value } = term;
  const [, op = '', first = ''] = /^([<>]=?|)(.*)$/s.exec(value) ?? [];
  if (op !== '') return { kind: 'number', op: op as Comparison, value: read(first) }; // the pattern admits comparisons only
  const [from = '', to] = value.split('..');
  if (to === undefined) return { kind: 'number', op: '=', value: read(from) };
  const [low, high] = [read(from), read(to)];
  if (high < low) throw new QuerySyntaxError(query, term.valueAt, `'${value}' ends before it begins`);
  return { kind: 'between', from: low, to: high };
}

function numberOf(query: string, { valueAt: at }: Term, text: string): number {
  if (!/^-?\d+(?:\.\d+)?$/.test(text))
    throw new QuerySyntaxError(query, at, `'${text}' is no number: 3, >3, <=10 or 2..5`);
  return Number(text);
}

/** A duration in milliseconds; a number without a unit is seconds. */
function durationOf(query: string, { valueAt: at }: Term, text: string): number {
  if (!/^\d+(?:\.\d+)?(?:ms|s|m|h|d)?$/.test(text))
    throw new QuerySyntaxError(query, at, `'${text}' is no duration: 500ms, 10s, 5m, 2h or 1d`);
  return /^[\d.]+$/.test(text) ? Number(text) * 1000 : toMs(text);
}

/**
 * Reads `<1h` (within the last hour; with `sign` -1: within the next hour), `>2026-11-22`, `2026-11-22` or `2026-11-22T03:12..2026-11-22T03:20`.
 * Times are UTC unless they have an offset.
 */
function timeTest(query: string, term: Term, sign: 1 | -1): Test {
  const { value } = term;
  const [, op = '', text = ''] = /^([<>]=?|)(.*)$/s.exec(value) ?? [];
  if (op !== '' && /^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/.test(text))
    return { kind: 'age', op: op as Comparison, ms: sign * toMs(text) }; // the pattern admits comparisons only
  if (op !== '') {
    const [start, end] = momentOf(query, term, text);
    // `>2026-11-22` means after the end of that day.
    return { kind: 'number', op: op as Comparison, value: op === '>' || op === '<=' ? end - 1 : start };
  }
  const [from = '', to = from] = value.split('..');
  const [start] = momentOf(query, term, from);
  const [, end] = momentOf(query, term, to);
  if (end <= start) throw new QuerySyntaxError(query, term.valueAt, `'${value}' ends before it begins`);
  return { kind: 'between', from: start, to: end - 0.001 };
}

/** The start of a time span, and its end (excluded): `2026-11-22` is a day, `2026-11-22T03:12` a minute. */
function momentOf(query: string, { valueAt: at }: Term, text: string): readonly [number, number] {
  const shape =
    /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d(?:\.\d{1,3})?))?(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? [];
  const [, day, minute, second, offset = 'Z'] = shape;
  const start = Date.parse(
    minute === undefined
      ? `${day}T00:00Z`
      : `${day}T${minute}${second === undefined ? '' : `:${second}`}${offset}`,
  );
  if (Number.isNaN(start))
    throw new QuerySyntaxError(
      query,
      at,
      `'${text}' is no time: <1h (within the last hour), >2d (before that), 2026-11-22 or 2026-11-22T03:12 (UTC)`,
    );
  const length =
    minute === undefined ? 86_400_000 : second === undefined ? 60_000 : second.includes('.') ? 1 : 1000;
  return [start, start + length];
}
