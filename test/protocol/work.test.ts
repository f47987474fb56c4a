// What somebody else wrote costs no more than its size: eight times the message is about eight times the work.
import { describe, expect, it } from 'vitest';
import { decodeJson } from '../../src/protocol/json.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { deserialize } from '../../src/protocol/serializers.ts';
import { stepsOf } from './steps.ts';

/** How much more work a message of eight times the size is. */
function growth<T>(from: number, make: (size: number) => T, decode: (message: T) => unknown): number {
  decode(make(10)); // what is done once
  const [small, large] = [make(from), make(8 * from)];
  const steps = stepsOf(() => decode(small));
  return stepsOf(() => decode(large)) / steps;
}

/** What is quadratic comes to 64. */
const atMost = 11;

it.each<[string, (size: number) => string]>([
  ['lists in lists', (size) => '['.repeat(size) + ']'.repeat(size)],
  ['lists in lists that are never closed', (size) => '['.repeat(size)],
  ['maps in maps', (size) => `${'{"a":'.repeat(size)}1${'}'.repeat(size)}`],
  ['lists in lists around NaN', (size) => `${'['.repeat(size)}NaN${']'.repeat(size)}`],
  ['digits', (size) => '1'.repeat(size)],
  ['large integers', (size) => `[${'12345678901234567890,'.repeat(size)}1]`],
  ['keys', (size) => `{${Array.from({ length: size }, (_, n) => `"key number ${n}":0`).join(',')}}`],
  [
    'keys beside NaN',
    (size) => `{${Array.from({ length: size }, (_, n) => `"key number ${n}":NaN`).join(',')}}`,
  ],
  ['escapes beside NaN', (size) => `["${'\\n\\t\\r\\u00fc'.repeat(size)}",NaN]`],
  ['typed values', (size) => `[${'{"__type__":"decimal","__value__":"1.5"},'.repeat(size)}1]`],
])('JSON: the work grows no faster than the message: %s', (_, make) => {
  expect(growth(6000, make, decodeJson)).toBeLessThan(atMost);
});

it.each<[string, (size: number) => string]>([
  ['lists in lists', (size) => '['.repeat(size) + ']'.repeat(size)],
  ['lists in lists that are never closed', (size) => '['.repeat(size)],
  ['blocks in blocks', (size) => '- '.repeat(size)],
  ['values', (size) => `[${'1,'.repeat(size)}]`],
  ['keys', (size) => Array.from({ length: size }, (_, n) => `k${n}: 1\n`).join('')],
  ['anchors', (size) => `[${'&a x,'.repeat(size)}]`],
  ['aliases', (size) => `a: &a 1\nb: [${'*a,'.repeat(size)}]`],
])('YAML: the work grows no faster than the message: %s', (_, make) => {
  const decode = (text: string) =>
    deserialize(Buffer.from(text), 'application/x-yaml', 'utf-8', ['yaml'], defaultLimits);
  expect(growth(400, make, decode)).toBeLessThan(atMost);
});

it.each<[string, (size: number) => Uint8Array]>([
  ['lists in lists', (size) => Buffer.alloc(size, 0x91)],
  [
    'lists in lists that each claim a million',
    (size) => Buffer.alloc(5 * size, '\xdd\0\x0f\x42\x40', 'latin1'),
  ],
])('msgpack: the work grows no faster than the message: %s', (_, make) => {
  const decode = (bytes: Uint8Array) =>
    deserialize(bytes, 'application/x-msgpack', 'binary', ['msgpack'], defaultLimits);
  expect(growth(8000, make, decode)).toBeLessThan(atMost);
});

describe('the count of steps', () => {
  it('finds what takes quadratic time', () => {
    const pairs = (size: number): number => {
      let found = 0;
      for (let a = 0; a < size; a++) for (let b = 0; b < size; b++) found += a ^ b;
      return found;
    };
    expect(growth(100, (size) => size, pairs)).toBeGreaterThan(50);
  });
});
