// The query language's conditions in PostgreSQL's SQL. JSON is kept as text, and is read when a query asks for a member.
import type { Dialect } from '../../history/compile.ts';
import type { MemberTest } from '../../history/condition.ts';
import { type Sql, sql, sqlJoined, sqlName } from '../../history/sql.ts';

export const postgresDialect: Dialect = {
  like: (column, glob) => sql`${column} LIKE ${likePattern(glob)}`,
  holds: (column, text) => sql`${column} ILIKE ${`%${escaped(text)}%`}`,
  member: (column, path, test) => memberOf(jsonOf(column), path, test),
  memberOfAny: (column, path, test) => {
    const item = memberOf(sqlName('item.value'), path, test);
    return sql`EXISTS (SELECT 1 FROM jsonb_array_elements(${listOr(jsonOf(column))}) AS item(value) WHERE ${item})`;
  },
  stamp: (column, name, value) => {
    const list = at(jsonOf(column), [name]);
    if (value === null) return sql`${list} IS NOT NULL`;
    return sql`EXISTS (SELECT 1 FROM jsonb_array_elements_text(${listOr(list)}) AS item(value) WHERE item.value = ${value})`;
  },
};

function memberOf(json: Sql, path: readonly string[], test: MemberTest): Sql {
  const member = at(json, path);
  switch (test.kind) {
    case 'known':
      return sql`${member} IS NOT NULL`;
    case 'json': {
      const values = test.oneOf.filter(isReadable).map((text) => sql`${text}::jsonb`);
      return values.length === 0 ? sql`false` : sql`${member} IN (${sqlJoined(values, ', ')})`;
    }
    case 'like':
      return sql`(jsonb_typeof(${member}) = 'string' AND ${member} #>> '{}' LIKE ${likePattern(test.glob)})`;
    case 'number': {
      const compared = { '<': sql`<`, '<=': sql`<=`, '>': sql`>`, '>=': sql`>=`, '=': sql`=` }[test.op];
      // Without CASE the server may convert text before it checks that it is a number.
      return sql`CASE WHEN jsonb_typeof(${member}) = 'number' THEN ${member}::numeric ${compared} ${test.value}::float8::numeric END`;
    }
  }
}

function at(json: Sql, path: readonly string[]): Sql {
  const parts = path.map((part) => sql`${part}`);
  return sql`(${json} #> ARRAY[${sqlJoined(parts, ', ')}]::text[])`;
}

/** The JSON in a column of text; NULL for JSON with characters that jsonb cannot hold: NUL, and half of a surrogate pair. */
function jsonOf(column: Sql): Sql {
  return sql`(CASE WHEN ${column} !~ ${unreadable.source} THEN ${column}::jsonb END)`;
}

const unreadable = /\\u(0000|d[89a-f])/;

function isReadable(json: string): boolean {
  return !unreadable.test(json);
}

function listOr(json: Sql): Sql {
  return sql`CASE WHEN jsonb_typeof(${json}) = 'array' THEN ${json} ELSE '[]' END`;
}

/** A pattern for LIKE in which only `*` is special. */
function likePattern(glob: string): string {
  return escaped(glob).replaceAll('*', '%');
}

function escaped(text: string): string {
  return text.replace(/[%_\\]/g, '\\$&');
}
