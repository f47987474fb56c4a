import { describe, expect, it } from 'vitest';
import { QuerySyntaxError } from '../../src/errors.ts';
import { type Dialect, whereSql } from '../../src/history/compile.ts';
import { parseQuery } from '../../src/history/parse-query.ts';
import { sql } from '../../src/history/sql.ts';

function problem(query: string): readonly [position: number, message: string] {
  try {
    parseQuery(query);
  } catch (error) {
    if (error instanceof QuerySyntaxError) return [error.position, error.message];
    throw error;
  }
  throw new TypeError(`'${query}' is understood`);
}

describe('a question', () => {
  it('is read as people write it', () => {
    expect(
      parseQuery('state:failure name:mail.* args.user.id:5 runtime:>10s ended:<1h "timeout" NOT tag:x'),
    ).toEqual({
      kind: 'all',
      of: [
        { kind: 'field', field: 'state', test: { kind: 'is', text: 'FAILURE' } },
        { kind: 'field', field: 'name', test: { kind: 'like', glob: 'mail.*' } },
        { kind: 'member', of: 'args', path: ['user', 'id'], test: { kind: 'json', oneOf: ['"5"', '5'] } },
        { kind: 'field', field: 'runtime', test: { kind: 'number', op: '>', value: 10_000 } },
        { kind: 'field', field: 'ended', test: { kind: 'age', op: '<', ms: 3_600_000 } },
        { kind: 'text', text: 'timeout' },
        { kind: 'not', of: { kind: 'stamp', name: 'x', value: null } },
      ],
    });
  });

  it('binds AND closer than OR, and brackets closer than both', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => ({ kind: 'text', text }));
    expect(parseQuery('a OR b c')).toEqual({ kind: 'any', of: [a, { kind: 'all', of: [b, c] }] });
    expect(parseQuery('(a OR b) AND c')).toEqual({ kind: 'all', of: [{ kind: 'any', of: [a, b] }, c] });
    expect(parseQuery('NOT a b')).toEqual({ kind: 'all', of: [{ kind: 'not', of: a }, b] });
  });

  it('may be empty, which means all tasks', () => {
    expect(parseQuery(' ')).toBeNull();
  });

  it('takes words in quotation marks, and those that are no fields, as they are', () => {
    expect(parseQuery('"a:b (OR) \\"c\\""')).toEqual({ kind: 'text', text: 'a:b (OR) "c"' });
    expect(parseQuery('name:"a *"')).toEqual({
      kind: 'field',
      field: 'name',
      test: { kind: 'is', text: 'a *' },
    });
    expect(parseQuery('03:12')).toEqual({ kind: 'text', text: '03:12' });
    expect(parseQuery('"AND"')).toEqual({ kind: 'text', text: 'AND' });
  });

  it.each([
    ['state:failur', 6, 'did you mean FAILURE?'],
    ['a nme:x', 2, "did you mean 'name'?"],
    ['colour:x', 0, 'there are state, name'],
    ['name:', 5, "'name:' needs a value"],
    ['(a', 0, "the bracket '(' is not closed"],
    ['a )', 2, "there is no '(' for this ')'"],
    ['()', 1, "should stand before this ')'"],
    ['a AND', 5, 'the query ends'],
    ['a OR OR b', 5, 'before this OR'],
    ['NOT', 3, 'the query ends'],
    ['"open', 0, 'not closed'],
    ['runtime:>soon', 8, "'soon' is no duration"],
    ['retries:many', 8, "'many' is no number"],
    ['ended:yesterday', 6, "'yesterday' is no time"],
    ['ended:2026-02-31T25:00', 6, 'is no time'],
    ['retries:5..2', 8, 'ends before it begins'],
    ['name.x:1', 0, "'name' has no members"],
    ['args."a\\"b":1', 0, 'cannot have a quotation mark'],
    ['tag:"a\\"b"', 4, "no stamp's name"],
    [`${'('.repeat(22)}a${')'.repeat(22)}`, 21, '20 levels deep'],
    ['a '.repeat(129), 256, '128 conditions'],
    ['x'.repeat(3000), 2048, '2048 characters'],
  ])('says of %j where and what is wrong', (query, position, message) => {
    const [at, text] = problem(query);
    expect(at).toBe(position);
    expect(text).toContain(message);
  });

  it('never puts what people write into the text of SQL', () => {
    const dialect: Dialect = {
      like: (column, glob) => sql`${column} GLOB ${glob}`,
      holds: (column, text) => sql`${column} LIKE ${text}`,
      member: (column, path, test) => sql`${column} ${path.join('.')} ${JSON.stringify(test)}`,
      memberOfAny: (column, path, test) => sql`${column} ${path.join('.')} ${JSON.stringify(test)}`,
      stamp: (column, name, value) => sql`${column} ${name} ${value}`,
    };
    const evil = "x'x;";
    const query = ['', 'name:', 'name:*', 'worker:', 'args:', "args.x'x;.y:", 'tag:', 'result:', 'id:']
      .map((field) => `${field}${evil}`)
      .join(' NOT ');
    const { text, values } = whereSql(parseQuery(query), 0, dialect);
    expect(text).toMatch(/^[A-Za-z_ ?()=]+$/);
    expect(text.split('?')).toHaveLength(values.length + 1);
  });
});
