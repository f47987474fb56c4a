// A question as SQL.
import { QuerySyntaxError } from '../errors.ts';
import type { Comparison, Condition, MemberTest, Test } from './condition.ts';
import { type FacetField, type FieldName, fields, type SortField, sortable } from './fields.ts';
import { type Sql, sql, sqlJoined, sqlName } from './sql.ts';

/** What each database says in its own way. */
export interface Dialect {
  /** `*` stands for any text; capitals differ from small letters. */
  like(column: Sql, glob: string): Sql;
  /** Capitals are small letters (of ASCII at least). */
  holds(column: Sql, text: string): Sql;
  /** Of JSON. */
  member(column: Sql, path: readonly string[], test: MemberTest): Sql;
  /** Of a JSON list: of any of its items. */
  memberOfAny(column: Sql, path: readonly string[], test: MemberTest): Sql;
  /** Of a JSON map of lists. `value` null: it has the name. */
  stamp(column: Sql, name: string, value: string | null): Sql;
}

/** What the words of a question without a field are looked for in. */
const searched = [
  'id',
  'name',
  'args_repr',
  'kwargs_repr',
  'args',
  'kwargs',
  'result',
  'exception',
  'traceback',
];

/** True for the tasks that are meant. `now`: milliseconds since 1970. */
export function whereSql(condition: Condition | null, now: number, dialect: Dialect): Sql {
  if (condition === null) return sql`1 = 1`;
  switch (condition.kind) {
    case 'all':
    case 'any': {
      const of = condition.of.map((each) => whereSql(each, now, dialect));
      return sql`(${sqlJoined(of, condition.kind === 'all' ? ' AND ' : ' OR ')})`;
    }
    case 'not':
      // What is unknown is not it.
      return sql`(${whereSql(condition.of, now, dialect)}) IS NOT TRUE`;
    case 'text': {
      const of = searched.map((column) => dialect.holds(sqlName(column), condition.text));
      return sql`(${sqlJoined(of, ' OR ')})`;
    }
    case 'stamp':
      return dialect.stamp(sqlName('stamps'), condition.name, condition.value);
    case 'member': {
      const { of, path, test } = condition;
      if (of === 'kwargs') return dialect.member(sqlName('kwargs'), path, test);
      if (/^\d+$/.test(path[0] ?? '')) return dialect.member(sqlName('args'), path, test);
      const anywhere = [
        dialect.member(sqlName('kwargs'), path, test),
        dialect.memberOfAny(sqlName('args'), path, test),
      ];
      return sql`(${sqlJoined(anywhere, ' OR ')})`;
    }
    case 'field':
      return testSql(condition.field, condition.test, now, dialect);
  }
}

const comparisons: Readonly<Record<Comparison | '=', Sql>> = {
  '<': sql`<`,
  '<=': sql`<=`,
  '>': sql`>`,
  '>=': sql`>=`,
  '=': sql`=`,
};

/** Less than an hour old is later than an hour ago. */
const reversed: Readonly<Record<Comparison, Comparison>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

function testSql(field: FieldName, test: Test, now: number, dialect: Dialect): Sql {
  const { kind, column: name } = fields[field];
  const column = sqlName(name);
  switch (test.kind) {
    case 'known':
      return sql`${column} IS NOT NULL`;
    case 'is':
      // A node is known by the part before its host, too.
      if (kind === 'node' && !test.text.includes('@'))
        return sql`(${column} = ${test.text} OR ${dialect.like(column, `${test.text}@*`)})`;
      return sql`${column} = ${test.text}`;
    case 'like':
      return dialect.like(column, test.glob);
    case 'holds': {
      if (field !== 'args' && field !== 'kwargs') return dialect.holds(column, test.text);
      return sql`(${dialect.holds(column, test.text)} OR ${dialect.holds(sqlName(field), test.text)})`;
    }
    case 'number':
      return sql`${column} ${comparisons[test.op]} ${test.value}`;
    case 'between':
      return sql`${column} BETWEEN ${test.from} AND ${test.to}`;
    case 'age': {
      const limit = now - test.ms;
      if (kind !== 'due') return sql`${column} ${comparisons[reversed[test.op]]} ${limit}`;
      // What is over is not within the next hour.
      const isWithin = test.op === '<' || test.op === '<=';
      return isWithin
        ? sql`(${column} >= ${now} AND ${column} ${comparisons[test.op]} ${limit})`
        : sql`${column} ${comparisons[test.op]} ${limit}`;
    }
  }
}

/** By a field, and which end first. */
export interface Sort {
  readonly field: SortField;
  readonly descending: boolean;
}

/** `seen`, or `-seen` for the last one first. @throws QuerySyntaxError */
export function parseSort(text: string): Sort {
  const descending = text.startsWith('-');
  const name = descending ? text.slice(1) : text;
  const field = sortable.find((each) => each === name);
  if (field === undefined)
    throw new QuerySyntaxError(text, 0, `tasks are sorted by ${sortable.join(', ')}, not by '${name}'`);
  return { field, descending };
}

/** Where a page ends: the last task's value, and its number in the store. */
interface Cursor {
  readonly value: string | number | null;
  readonly seq: number;
}

/** A cursor as text, for people's addresses: it holds for this sort only. */
export function cursorText({ field, descending }: Sort, { value, seq }: Cursor): string {
  return Buffer.from(JSON.stringify([`${descending ? '-' : ''}${field}`, value, seq])).toString('base64url');
}

/** @throws QuerySyntaxError for text that is no cursor, or one of another sort */
export function parseCursor({ field, descending }: Sort, text: string): Cursor {
  const read = parsedCursor(text);
  if (read === null)
    throw new QuerySyntaxError(text, 0, 'this is no place in a list of tasks: take `next` of a page');
  if (read.sort !== `${descending ? '-' : ''}${field}`)
    throw new QuerySyntaxError(text, 0, `this place is one in a list that is sorted by '${read.sort}'`);
  return read;
}

function parsedCursor(text: string): (Cursor & { readonly sort: string }) | null {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return null;
  }
  if (!Array.isArray(read) || read.length !== 3) return null;
  const [sort, value, seq]: readonly unknown[] = read;
  if (typeof sort !== 'string' || typeof seq !== 'number') return null;
  return value === null || typeof value === 'string' || typeof value === 'number'
    ? { sort, value, seq }
    : null;
}

/** Those behind the cursor, in their order. What is unknown stands at the end, or in front where the order is ascending. */
export function pageSql(
  where: Sql,
  { field, descending }: Sort,
  after: Cursor | null,
  limit: number,
): { readonly where: Sql; readonly order: Sql; readonly limit: number } {
  const column = sqlName(field);
  const order = sqlName(descending ? 'DESC' : 'ASC');
  return {
    where: after === null ? where : sql`${where} AND ${behind(field, descending, after)}`,
    order: sql`${column} ${order}, seq ${order}`,
    limit,
  };
}

function behind(field: SortField, descending: boolean, { value, seq }: Cursor): Sql {
  const column = sqlName(field);
  const isKnown = field === 'seen' || field === 'heard' || field === 'state';
  if (descending) {
    if (value === null) return sql`(${column} IS NULL AND seq < ${seq})`;
    const lower = sql`(${column}, seq) < (${value}, ${seq})`;
    return isKnown ? lower : sql`(${lower} OR ${column} IS NULL)`;
  }
  return value === null
    ? sql`((${column} IS NULL AND seq > ${seq}) OR ${column} IS NOT NULL)`
    : sql`(${column}, seq) > (${value}, ${seq})`;
}

/** The column that tasks are counted by. */
export function facetColumn(field: FacetField): Sql {
  return sqlName(fields[field].column);
}
