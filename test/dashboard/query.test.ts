// How the page of tasks reads and changes the state in a query.
import { expect, it } from 'vitest';
import { splitState, withState } from '../../src/dashboard/web/query.ts';
import { parseQuery } from '../../src/history/parse-query.ts';

it.each([
  ['', null, ''],
  ['state:failure', 'FAILURE', ''],
  ['name:mail.* state:failure "no  route"', 'FAILURE', 'name:mail.* "no  route"'],
  ['name:"a state:failure b"', null, 'name:"a state:failure b"'],
  // What is not the state of all of its tasks is a part of the query.
  ['NOT state:success runtime:>1s', null, 'NOT state:success runtime:>1s'],
  ['state:failure OR state:retry', null, 'state:failure OR state:retry'],
  ['(state:failure name:a) name:b', null, '(state:failure name:a) name:b'],
  ['state:failure (name:a OR name:b)', 'FAILURE', '(name:a OR name:b)'],
  ['state:failure AND name:a', 'FAILURE', 'name:a'],
  ['name:a AND state:failure', 'FAILURE', 'name:a'],
  ['state:failure NOT name:a', 'FAILURE', 'NOT name:a'],
])('the state of the query %j is %j, and the rest %j', (query, state, rest) => {
  expect(splitState(query)).toEqual({ state, rest });
});

it.each([
  ['name:a', 'failure', 'state:failure name:a'],
  ['state:success name:a', 'FAILURE', 'state:failure name:a'],
  ['name:a OR name:b', 'FAILURE', 'state:failure (name:a OR name:b)'],
  ['NOT state:success', 'RETRY', 'state:retry NOT state:success'],
  ['state:failure (name:a OR name:b)', null, '(name:a OR name:b)'],
])('the query %j with the state %j is %j', (query, state, changed) => {
  expect(withState(query, state)).toBe(changed);
  expect(() => parseQuery(changed)).not.toThrow();
});
