// Tables of options, and what is derived of them.
import { existsSync, readFileSync } from 'node:fs';
import { expect, expectTypeOf, test } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import { count, flag, optional, orNull, seconds, text } from '../../src/lib/checks.ts';
import type { Duration } from '../../src/lib/duration.ts';
import { checkOptions, field, type Options, type Read, readOptions, SameAs } from '../../src/lib/schema.ts';

const table = {
  size: field(count, 3),
  lease: field(seconds({ above: 0 }), new SameAs<number>('workerLease')),
  label: optional(text),
  limit: field(orNull(count), null),
  open: field(flag, true),
};

test('what is not given has its default, or that of the setting which its row names', () => {
  const read = readOptions(table, { lease: undefined }, 'a test', { workerLease: 15 });
  expect(read).toEqual({ size: 3, lease: 15, label: null, limit: null, open: true });
  expect(readOptions(table, { lease: '2m', limit: 4 }, 'a test')).toMatchObject({ lease: 120, limit: 4 });
});

test('the types of what may be given, and of what is read, are those of the rows', () => {
  expectTypeOf<Options<typeof table>['lease']>().toEqualTypeOf<Duration | undefined>();
  expectTypeOf<Read<typeof table>['lease']>().toEqualTypeOf<number>();
  expectTypeOf<Read<typeof table>['label']>().toEqualTypeOf<string | null>();
  expectTypeOf<Read<typeof table>['open']>().toEqualTypeOf<boolean>();
});

test.each([
  [{ siz: 1 }, "unknown option 'siz' in a test; did you mean 'size'?"],
  [{ size: 0 }, "'size' in a test must be a whole number from 1 up, not 0"],
  [{ limit: 'secret' }, "'limit' in a test must be a whole number from 1 up, or null, not this text"],
  [{ lease: '5 minutes' }, "'lease' in a test must be seconds or text like '500ms'"],
  [{ lease: 0 }, "'lease' in a test must be a duration above 0 (seconds, or text like '10m'), not 0"],
  [{ open: null }, "'open' in a test must be true or false, not null"],
  [{ toString: 1 }, "unknown option 'toString'"],
])('an error names the option, what it must be, and what it is: %j', (given, message) => {
  expect(() => readOptions(table, given, 'a test')).toThrow(message);
  expect(() => checkOptions(table, given, 'a test')).toThrow(message);
});

test("the declarations of the package have each option's documentation, so that an editor shows it", () => {
  const undocumented = [
    'config/settings',
    'config/call-options',
    'app/task-options',
    'worker/options',
  ].flatMap((file) => {
    const path = new URL(`../../dist/${file}.d.ts`, import.meta.url);
    expect(existsSync(path)).toBe(true);
    const lines = readFileSync(path, 'utf8').split('\n');
    // One row a line: tables that are not exported have none in their declarations.
    return lines
      .filter((line, at) => /^ {4}\w+: .*(?:Check|Field)</.test(line) && !lines[at - 1]?.endsWith('*/'))
      .map((line) => `${file}: ${line.trim()}`);
  });
  expect(undocumented).toEqual([]);
  const declared = readFileSync(new URL('../../dist/config/settings.d.ts', import.meta.url), 'utf8');
  expect(Object.keys(settings).filter((name) => !declared.includes(`*/\n    ${name}: `))).toEqual([]);
});
