import fc from 'fast-check';
import { expect, test } from 'vitest';
import { globMatcher } from '../../src/config/glob.ts';

test.each([
  ['mail.*', 'mail.send', true],
  ['mail.*', 'mail', false],
  ['*.send', 'mail.send', true],
  ['*', '', true],
  ['a*b*c', 'abc', true],
  ['a*b*c', 'acb', false],
  ['a*a', 'a', false],
  ['a.b', 'axb', false],
  ['**x**', 'axb', true],
  ['*\n*', 'a\nb', true],
])('%j and %j: %s', (glob, text, fits) => {
  expect(globMatcher(glob).test(text)).toBe(fits);
});

test('says what the regular expression would say', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
  fc.assert(
    fc.property(letters, letters, (glob, text) => {
      const pattern = new RegExp(`^${glob.replaceAll(/\*+/g, '.*')}$`, 's');
      expect(globMatcher(glob).test(text)).toBe(pattern.test(text));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('takes no longer for many stars', () => {
  expect(globMatcher(`${'*a'.repeat(200)}b`).test('a'.repeat(10_000))).toBe(false);
});
