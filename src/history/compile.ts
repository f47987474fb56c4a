// A query as SQL.
import { QuerySyntaxError } from '../errors.ts';
import type { Comparison, Condition, MemberTest, Test } from './condition.ts';
import { type FacetField, type FieldName, fields, type SortField, sortable } from './fields.ts';
import { type Sql, sql, sqlJoined, sqlName } from './sql.ts';

/** Conditions whose SQL differs between databases. */
export interface Dialect {
  /** `*` stands for any text; case-sensitive. */
  like(column: Sql, glob: string): Sql;
  /** The column contains the text; case-insensitive, for ASCII at least. */
  holds(column: Sql, text: string): Sql;
  /** Tests the value at a path of a JSON column. */
  member(column: Sql, path: readonly string[], test: MemberTest): Sql;
  /** Tests the value at this path of each item of a JSON list: true if one item passes. */
  memberOfAny(column: Sql, path: readonly string[], test: MemberTest): Sql;
  /** Whether the list of this name, in a JSON map of lists, has the value. Null: whether the map has the name. */
  stamp(column: Sql, name: string, value: string | null): Sql;
}

/** The columns that are searched for text without a field. */
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

/** SQL that is true for the tasks of a condition. `now`: milliseconds since 1970. */
export function whereSql(condition: Condition | null, now: number, dialect: Dialect): Sql {
  if (condition === null) return sql`1 = 1`;
  switch (condition.kind) {
    case 'all':
    case 'any': {
      const of = condition.of.map((each) => whereSql(each, now, dialect));
      return sql`(${sqlJoined(of, condition.kind === 'all' ? ' AND ' : ' OR ')})`;
    }
    case 'not':
      // NULL counts as "does not match", so NOT finds the tasks whose value is unknown.
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

/** An age below one hour is a time after one hour ago, so the comparison turns round. */
const reversed: Readonly<Record<Comparison, Comparison>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

function testSql(field: FieldName, test: Test, now: number, dialect: Dialect): Sql {
  const { kind, column: name } = fields[field];
  const column = sqlName(name);
  switch (test.kind) {
    case 'known':
      return sql`${column} IS NOT NULL`;
    case 'is':
      // `w1` also finds w1@host.
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
      // `eta:<1h` means within the next hour, which leaves out times in the past.
      const isWithin = test.op === '<' || test.op === '<=';
      return isWithin
        ? sql`(${column} >= ${now} AND ${column} ${comparisons[test.op]} ${limit})`
        : sql`${column} ${comparisons[test.op]} ${limit}`;
    }
  }
}

/** A field to sort by, and the direction. */
export interface Sort {
  readonly field: SortField;
  readonly descending: boolean;
}

/** Reads `seen` (ascending) or `-seen` (descending). @throws QuerySyntaxError */
export function parseSort(text: string): Sort {
  const descending = text.startsWith('-');
  const name = descending ? text.slice(1) : text;
  const field = sortable.find((each) => each === name);
  if (field === undefined)
    throw new QuerySyntaxError(text, 0, `tasks are sorted by ${sortable.join(', ')}, not by '${name}'`);
  return { field, descending };
}

/** The end of a page: the value of its last task in the field of the sort, and that task's number in the store. */
interface Cursor {
  readonly value: string | number | null;
  readonly seq: number;
}

/** A cursor as text that fits into a URL. It is valid for this sort only. */
export function cursorText({ field, descending }: Sort, { value, seq }: Cursor): string {
  return Buffer.from(JSON.stringify([`${descending ? '-' : ''}${field}`, value, seq])).toString('base64url');
}

const notACursor = 'this is no cursor: pass the `next` of a page';

/** @throws QuerySyntaxError for text that is no cursor, or a cursor of another sort */
export function parseCursor({ field, descending }: Sort, text: string): Cursor {
  const read = parsedCursor(text);
  if (read === null) throw new QuerySyntaxError(text, 0, notACursor);
  if (read.sort !== `${descending ? '-' : ''}${field}`)
    throw new QuerySyntaxError(text, 0, `this cursor belongs to a list that is sorted by '${read.sort}'`);
  const isText = ['word', 'state', 'node'].includes(fields[field].kind);
  if (read.value !== null && (typeof read.value === 'string') !== isText)
    throw new QuerySyntaxError(text, 0, notACursor);
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
  if (typeof sort !== 'string' || typeof seq !== 'number' || !Number.isSafeInteger(seq)) return null;
  return value === null || typeof value === 'string' || typeof value === 'number'
    ? { sort, value, seq }
    : null;
}

/** The tasks after the cursor, in the order of the sort. Unknown values (NULL) come last, or first where the order is ascending. */
export function pageSql(
  where: Sql,
  { field, descending }: Sort,
  after: Cursor | null,
  limit: number,
): { readonly where: Sql; readonly order: Sql; readonly limit: number } {
  const column = sqlName(field);
  const order = sqlName(descending ? 'DESC' : 'ASC');
  // SQLite's own order; PostgreSQL's is the other way round.
  const nulls = isAlwaysKnown(field) ? sql`` : descending ? sql` NULLS LAST` : sql` NULLS FIRST`;
  return {
    where: after === null ? where : sql`${where} AND ${behind(field, descending, after)}`,
    order: sql`${column} ${order}${nulls}, seq ${order}`,
    limit,
  };
}

function behind(field: SortField, descending: boolean, { value, seq }: Cursor): Sql {
  const column = sqlName(field);
  if (descending) {
    if (value === null) return sql`(${column} IS NULL AND seq < ${seq})`;
    const lower = sql`(${column}, seq) < (${value}, ${seq})`;
    return isAlwaysKnown(field) ? lower : sql`(${lower} OR ${column} IS NULL)`;
  }
  return value === null
    ? sql`((${column} IS NULL AND seq > ${seq}) OR ${column} IS NOT NULL)`
    : sql`(${column}, seq) > (${value}, ${seq})`;
}

function isAlwaysKnown(field: SortField): boolean {
  return field === 'seen' || field === 'updated' || field === 'state';
}

/** The column by which tasks are counted. */
export function facetColumn(field: FacetField): Sql {
  return sqlName(fields[field].column);
}
