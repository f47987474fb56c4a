import { expect, it } from 'vitest';
import { matching, mayBeId } from '../../src/dashboard/web/ui/palette-match.ts';

const entry = (kind: string, label: string, also = '') => ({ kind, label, also, run: () => undefined });
const entries = [
  entry('Page', 'Overview'),
  entry('Page', 'Tasks'),
  entry('Queue', 'mail'),
  entry('Queue', 'email-slow'),
  entry('Worker', 'w1@mail-host'),
  entry('Action', 'Next theme', 'dark light'),
];
const found = (typed: string): string[] => matching(entries, typed).map(({ label }) => label);

it('the palette: what begins with the text comes first, then words that do, then the rest', () => {
  expect(found('mail')).toEqual(['mail', 'w1@mail-host', 'email-slow']);
  expect(found('MAIL queue')).toEqual(['mail', 'email-slow']);
  expect(found('dark')).toEqual(['Next theme']);
  expect(found('nothing')).toEqual([]);
  expect(found('')).toEqual(entries.map(({ label }) => label));
});

it('the palette shows a dozen of many', () => {
  const many = Array.from({ length: 100 }, (_, n) => entry('Queue', `q${n}`));
  expect(matching(many, 'q')).toHaveLength(12);
});

it.each([
  ['5c0e9d52-0a31-4d0b-9a41-8c1f4a0e7b11', true],
  [' order-4711 ', true],
  ['overview', false],
  ['a1', false],
  ['send 12345 times', false],
])('may be the id of a task: %s', (text, expected) => {
  expect(mayBeId(text)).toBe(expected);
});
