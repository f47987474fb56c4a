// Queries of the history, asked of messages that wait: what a message itself tells of its task, without a recorder.
import { globMatcher } from '../config/glob.ts';
import { QuerySyntaxError } from '../errors.ts';
import type { Comparison, Condition, MemberTest, Test } from '../history/condition.ts';
import { type FieldName, fields } from '../history/fields.ts';
import { parseQuery } from '../history/parse-query.ts';
import { isRecord } from '../lib/narrow.ts';
import type { TaskMessage } from '../protocol/message.ts';

/** A task that waits in a queue. */
export interface WaitingCandidate {
  readonly task: TaskMessage;
  readonly queue: string;
  /** When it is due; null: it is ready. */
  readonly due: Date | null;
}

type Value = string | number | null;

/** What a message tells, by the fields of the history. */
const values: Readonly<Partial<Record<FieldName, (candidate: WaitingCandidate) => Value>>> = {
  state: ({ task }) => (task.retries > 0 ? 'RETRY' : 'PENDING'),
  name: ({ task }) => task.task,
  queue: ({ queue }) => queue,
  client: ({ task }) => task.origin,
  id: ({ task }) => task.id,
  root: ({ task }) => task.rootId,
  parent: ({ task }) => task.parentId,
  group: ({ task }) => task.group,
  args: ({ task }) => task.argsrepr,
  kwargs: ({ task }) => task.kwargsrepr,
  retries: ({ task }) => task.retries,
  priority: ({ task }) => task.priority,
  eta: ({ task, due }) => (task.eta ?? due)?.getTime() ?? null,
  expires: ({ task }) => task.expires?.getTime() ?? null,
};

/**
 * Whether a waiting task is one that the query means; an empty query means all.
 * @throws QuerySyntaxError, also for fields that a waiting message does not tell, such as `worker`
 */
export function waitingMatcher(query: string, now: number): (candidate: WaitingCandidate) => boolean {
  const condition = parseQuery(query);
  if (condition === null) return () => true;
  for (const field of fieldsOf(condition)) {
    if (field !== 'tag' && values[field] === undefined)
      throw new QuerySyntaxError(
        query,
        Math.max(0, query.toLowerCase().indexOf(field)),
        `a message that waits does not tell its '${field}'; it tells ${[...Object.keys(values), 'tag'].join(', ')}`,
      );
  }
  const matches = compile(condition, now);
  return matches;
}

type Matcher = (candidate: WaitingCandidate) => boolean;

function fieldsOf(condition: Condition): readonly FieldName[] {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.flatMap(fieldsOf);
    case 'not':
      return fieldsOf(condition.of);
    case 'field':
      return [condition.field];
    default:
      return [];
  }
}

function compile(condition: Condition, now: number): Matcher {
  switch (condition.kind) {
    case 'all': {
      const all = condition.of.map((each) => compile(each, now));
      return (candidate) => all.every((each) => each(candidate));
    }
    case 'any': {
      const any = condition.of.map((each) => compile(each, now));
      return (candidate) => any.some((each) => each(candidate));
    }
    case 'not': {
      const not = compile(condition.of, now);
      return (candidate) => !not(candidate);
    }
    case 'text':
      return ({ task }) =>
        [task.id, task.task, task.argsrepr, task.kwargsrepr, jsonOf(task.args), jsonOf(task.kwargs)].some(
          (text) => holds(text, condition.text),
        );
    case 'stamp':
      return ({ task }) => hasStamp(task.stamps, condition.name, condition.value);
    case 'member':
      return memberMatcher(condition);
    case 'field': {
      const { field } = condition;
      const test = testOf(field, condition.test, now);
      const value = values[field] ?? (({ task }) => (Object.keys(task.stamps).length > 0 ? 1 : null));
      const whole = field === 'args' || field === 'kwargs' ? field : null;
      return (candidate) => test(value(candidate)) || (whole !== null && test(jsonOf(candidate.task[whole])));
    }
  }
}

const comparisons: Readonly<Record<Comparison | '=', (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
};

function testOf(field: FieldName, test: Test, now: number): (value: Value) => boolean {
  const onNumber = (passes: (value: number) => boolean) => (value: Value) =>
    typeof value === 'number' && passes(value);
  switch (test.kind) {
    case 'known':
      return (value) => value !== null;
    case 'is':
      // `w1` also finds w1@host.
      return fields[field].kind === 'node' && !test.text.includes('@')
        ? (value) => value === test.text || String(value).startsWith(`${test.text}@`)
        : (value) => value === test.text;
    case 'like': {
      const glob = globMatcher(test.glob);
      return (value) => value !== null && glob.test(String(value));
    }
    case 'holds':
      return (value) => value !== null && holds(String(value), test.text);
    case 'number':
      return onNumber((value) => comparisons[test.op](value, test.value));
    case 'between':
      return onNumber((value) => value >= test.from && value <= test.to);
    case 'age': {
      // Only times in the future are known of a waiting task: `eta:<1h` means within the next hour.
      const limit = now - test.ms;
      const isWithin = test.op === '<' || test.op === '<=';
      return onNumber((value) => (!isWithin || value >= now) && comparisons[test.op](value, limit));
    }
  }
}

function memberMatcher({ of, path, test }: Extract<Condition, { kind: 'member' }>): Matcher {
  const passes = memberTest(test);
  const at = (value: unknown): boolean => {
    const found = valueAt(value, path);
    return found !== undefined && passes(found);
  };
  if (of === 'kwargs') return ({ task }) => at(task.kwargs);
  if (/^\d+$/.test(path[0] ?? '')) return ({ task }) => at(task.args);
  return ({ task }) => at(task.kwargs) || task.args.some(at);
}

function memberTest(test: MemberTest): (value: unknown) => boolean {
  switch (test.kind) {
    case 'known':
      return () => true;
    case 'json':
      return (value) => test.oneOf.includes(jsonOf(value));
    case 'like': {
      const glob = globMatcher(test.glob);
      return (value) => typeof value === 'string' && glob.test(value);
    }
    case 'number':
      return (value) => typeof value === 'number' && comparisons[test.op](value, test.value);
  }
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const part of path) {
    if (Array.isArray(found)) found = /^\d+$/.test(part) ? found[Number(part)] : undefined;
    else found = isRecord(found) && Object.hasOwn(found, part) ? found[part] : undefined;
  }
  return found;
}

function hasStamp(stamps: unknown, name: string, value: string | null): boolean {
  const given = valueAt(stamps, [name]);
  if (value === null || given === undefined) return given !== undefined;
  return [given].flat().some((each) => String(each) === value);
}

function holds(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? String(member) : member,
  );
}
