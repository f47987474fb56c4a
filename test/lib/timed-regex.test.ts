import { expect, test } from 'vitest';
import { timedTest } from '../../src/lib/timed-regex.ts';

test('a pattern of somebody else is tried as any other', () => {
  expect(timedTest('^(?:cel.*@h)', 'u', 'celery@host')).toBe(true);
  expect(timedTest('^(?:other)', 'u', 'celery@host')).toBe(false);
  expect(timedTest('(', 'u', 'celery@host')).toBe(false);
});

test('one that would take for ever is given up, and fits nothing', () => {
  // 2^60 ways to divide the letters: if it were tried out, this would not end.
  expect(timedTest('^(?:(a|aa|a?)+)+$', '', `${'a'.repeat(60)}!`)).toBe(false);
  expect(timedTest(`^(?:${'.*'.repeat(400)}!)`, 'u', 'w1@vm'.repeat(20))).toBe(false);
});
