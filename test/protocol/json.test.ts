import { describe, expect, it } from 'vitest';
import { NotSerializableError } from '../../src/errors.ts';
import { decodeJson, decodeJsonBytes, encodeJson } from '../../src/protocol/json.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { Decimal, PlainDate, PlainTime, Uuid } from '../../src/protocol/values.ts';
import { fc } from '../lib/property.ts';
import { scaled } from '../run/scale.ts';
import { withinCpuMs } from './cpu.ts';
import { jsonValue } from './make.ts';

function read(text: string): unknown {
  const decoded = decodeJson(text);
  if (!decoded.ok) throw new Error(`refused: ${decoded.refusal.reason}: ${decoded.refusal.detail}`);
  return decoded.value;
}

function refusal(text: string, limits = defaultLimits): string {
  const decoded = decodeJson(text, limits);
  return decoded.ok ? `read: ${JSON.stringify(decoded.value)}` : decoded.refusal.reason;
}

describe('a value comes back from JSON as it was', () => {
  it('whatever it is made of', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(read(encodeJson(value))).toEqual(value);
      }),
      { numRuns: scaled(100, 500) },
    );
  });

  it.each([
    ['a date', new Date('2026-11-21T02:09:38.406Z')],
    ['a date before 1970', new Date('1901-02-03T04:05:06.007Z')],
    ['bytes that are text', new TextEncoder().encode('Zürich')],
    ['bytes that are no text', new Uint8Array([0, 255, 128])],
    ['no bytes', new Uint8Array()],
    ['a decimal', new Decimal('1.10')],
    ['a decimal that is no number', new Decimal('NaN')],
    ['a UUID', new Uuid('01890000-0000-7000-8000-000000000001')],
    ['a day', new PlainDate('2026-11-21')],
    ['a time of day', new PlainTime('13:37:00.000123')],
    ['an integer beyond 2^53', 2n ** 53n + 1n],
    ['a float beyond 2^53', 2 ** 60],
    ['the largest float', Number.MAX_VALUE],
  ])('%s', (_, value) => {
    expect(read(encodeJson(value))).toStrictEqual(value);
    expect(read(encodeJson({ deep: [value, 1] }))).toStrictEqual({ deep: [value, 1] });
  });

  it('a small bigint becomes a number', () => {
    expect(read(encodeJson([5n]))).toEqual([5]);
  });
});

describe('JSON is written as kombu writes it', () => {
  it.each([
    [
      'dates',
      new Date('2026-11-21T02:09:38Z'),
      '{"__type__":"datetime","__value__":"2026-11-21T02:09:38.000000+00:00"}',
    ],
    ['bytes that are text', new Uint8Array([104, 105]), '{"__type__":"bytes","__value__":"hi"}'],
    ['a Buffer, which has a toJSON of its own', Buffer.from('hi'), '{"__type__":"bytes","__value__":"hi"}'],
    ['bytes that are no text', new Uint8Array([255]), '{"__type__":"base64","__value__":"/w=="}'],
    [
      'UUIDs',
      new Uuid('01890000000070008000000000000001'),
      '{"__type__":"uuid","__value__":{"hex":"01890000000070008000000000000001"}}',
    ],
    ['decimals', new Decimal('1.10'), '{"__type__":"decimal","__value__":"1.10"}'],
    ['NaN and the infinities', [Number.NaN, Infinity, -Infinity], '[NaN,Infinity,-Infinity]'],
    ['bigints', 10n ** 30n, '1000000000000000000000000000000'],
    ['floats that look like integers, so that nobody takes them for exact', 2 ** 60, '1152921504606847000.0'],
    ['undefined: left out of maps, null in lists', { a: undefined, b: [undefined] }, '{"b":[null]}'],
    ['undefined beside something special', { a: undefined, b: [undefined, 1n] }, '{"b":[null,1]}'],
    ['nothing at all', undefined, 'null'],
    ['what has a toJSON', { at: { toJSON: () => ({ day: 1 }) } }, '{"at":{"day":1}}'],
    ['URLs by their toJSON', new URL('https://example.com/a'), '"https://example.com/a"'],
    [
      'instances of classes by their own properties',
      new (class Point {
        x = 1;
        y = 2n;
      })(),
      '{"x":1,"y":2}',
    ],
    ['maps without a prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['half a surrogate pair', '\ud800', '"\\ud800"'],
    ['the key __proto__', JSON.parse('{"__proto__":{"a":1},"n":null}'), '{"__proto__":{"a":1},"n":null}'],
    [
      'the key __proto__ beside something special',
      { ...JSON.parse('{"__proto__":1}'), n: 1n },
      '{"__proto__":1,"n":1}',
    ],
  ])('%s', (_, value, text) => {
    expect(encodeJson(value)).toBe(text);
  });
});

describe('what has no form on the wire is refused with its path', () => {
  const circle: Record<string, unknown> = { name: 'a' };
  circle.self = [circle];
  let deep: unknown = 1;
  for (let level = 0; level < 1000; level++) deep = [deep];
  // Long lists at its ends: these are counted fastest.
  let web: unknown = Array(10_000).fill(1);
  for (let level = 0; level < 60; level++) web = [web, web];

  it.each<[string, unknown, string, RegExp]>([
    ['a function', { rows: [0, 1, 2, { id: () => 1 }] }, '$.rows[3].id', /function/],
    ['a symbol', [Symbol('s')], '$[0]', /symbol/],
    ['a Map', { a: new Map() }, '$.a', /Object\.fromEntries/],
    ['a Set', { a: new Set() }, '$.a', /\[\.\.\.set\]/],
    ['a Promise', [Promise.resolve(1)], '$[0]', /await/],
    ['a RegExp', [/x/], '$[0]', /RegExp/],
    ['an Error', { e: new Error('x') }, '$.e', /message/],
    ['a typed array', { a: new Float64Array(2) }, '$.a', /Float64Array/],
    ['an ArrayBuffer', { a: new ArrayBuffer(2) }, '$.a', /ArrayBuffer/],
    ['a WeakMap', [new WeakMap()], '$[0]', /weak/],
    ['an invalid Date', { at: new Date('x') }, '$.at', /invalid Date/],
    ['a Date that Python does not know', { at: new Date(8.64e15) }, '$.at', /years 1 to 9999/],
    ['something that holds itself', circle, '$.self[0]', /itself/],
    ['something too deep', deep, '$[0][0]', /deeper than 480/],
    ['a web of references that is a huge tree', web, '$[0]', /values/],
    [
      'a getter that throws',
      {
        get a(): number {
          throw new Error('no');
        },
      },
      '$.a',
      /reading it failed/,
    ],
    [
      'a toJSON that throws',
      {
        a: {
          toJSON: () => {
            throw new Error('no');
          },
        },
      },
      '$.a',
      /reading it failed/,
    ],
    [
      'a map that would be read as a typed value',
      { a: { __type__: 'x', __value__: 1 } },
      '$.a',
      /typed value/,
    ],
    ['an integer of too many digits', [10n ** 5000n], '$', /4300 digits/],
    ['a key that is no identifier', { 'a b': [() => 1] }, '$["a b"][0]', /function/],
  ])('%s', (_, value, path, reason) => {
    const error = thrownBy(() => encodeJson(value));
    expect(error).toBeInstanceOf(NotSerializableError);
    expect(error).toMatchObject({ code: 'UMBEL_NOT_SERIALIZABLE', message: expect.stringMatching(reason) });
    expect((error as NotSerializableError).path.startsWith(path)).toBe(true);
  });

  it('the root has the name that it is given', () => {
    expect(thrownBy(() => encodeJson([() => 1], '$args'))).toMatchObject({ path: '$args[0]' });
  });
});

describe('JSON is read as Python reads it', () => {
  it.each<[string, string, unknown]>([
    ['bare NaN and Infinity', ' [NaN, Infinity, -Infinity] ', [Number.NaN, Infinity, -Infinity]],
    [
      'integers beyond 2^53',
      '[9007199254740993, -9007199254740993, 9007199254740991]',
      [9007199254740993n, -9007199254740993n, 9007199254740991],
    ],
    ['a huge integer alone', '123456789012345678901234567890', 123456789012345678901234567890n],
    [
      'digits in a fraction',
      '[0.1234567890123456780, 12345678901234567890.5, 12345678901234567890e2]',
      ['0.123456789012345678', '1.234567890123456789e19', '1.234567890123456789e21'].map(Number),
    ],
    ['digits in text', '["a,12345678901234567890"]', ['a,12345678901234567890']],
    [
      'a datetime without an offset',
      '{"__type__":"datetime","__value__":"2026-01-02T03:04:05"}',
      new Date('2026-01-02T03:04:05Z'),
    ],
    [
      'a datetime with microseconds',
      '{"__type__": "datetime", "__value__": "2026-01-02T03:04:05.123456+01:00"}',
      new Date('2026-01-02T02:04:05.123Z'),
    ],
    [
      'a typed value whose key is escaped',
      '{"\\u005f_type__":"decimal","__value__":"1.5"}',
      new Decimal('1.5'),
    ],
    [
      'a map with three keys is no typed value',
      '{"__type__":"x","__value__":1,"more":2}',
      { __type__: 'x', __value__: 1, more: 2 },
    ],
    ['a text that speaks of typed values', '"\\"__type__\\""', '"__type__"'],
    ['escapes, in our own parser', '["\\u00fc\\n\\ud83c\\udf89", NaN]', ['ü\n🎉', Number.NaN]],
    ['the last of two equal keys', '{"a":1,"a":2}', { a: 2 }],
    ['the last of two equal keys, in our own parser', '{"a":1,"a":NaN}', { a: Number.NaN }],
    ['empty containers, in our own parser', '[{},[],NaN]', [{}, [], Number.NaN]],
  ])('%s', (_, text, value) => {
    expect(read(text)).toStrictEqual(value);
  });

  it('the native parser and ours agree', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        fc.pre(!/\d{16}/.test(text)); // large integers are where they differ, by intent
        // NaN at the end leads to our own parser.
        expect(read(`[${text},NaN]`)).toEqual([JSON.parse(text), Number.NaN]);
      }),
      { numRuns: scaled(100, 300) },
    );
  });

  it('the key __proto__ is data, and changes no prototype', () => {
    for (const text of ['{"__proto__":{"polluted":1}}', '{"__proto__":{"polluted":1},"n":NaN}']) {
      const value = read(text) as object;
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(Object.keys(value)).toContain('__proto__');
    }
    expect('polluted' in {}).toBe(false);
  });
});

describe('what is not JSON is refused', () => {
  it.each([
    '',
    ' ',
    '{',
    '[',
    '"',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    'nul',
    'nan',
    'undefined',
    '[1 2]',
    '{"a" 1}',
    '{"a":}',
    '"\n"',
    '"\\x"',
    '"\\u12"',
    '[NaN',
    '[NaN}',
    '{"a":NaN]',
    'NaNN',
    '-NaN',
    '\ufeff1',
    '1 2',
    '[}',
    '{"__type__":"nope","__value__":"x"}',
    '{"__type__":"decimal","__value__":"x"}',
    '{"__type__":"decimal","__value__":1}',
    '{"__type__":"uuid","__value__":"x"}',
    '{"__type__":"uuid","__value__":{"hex":"12"}}',
    '{"__type__":"date","__value__":"2026-02-30"}',
    '{"__type__":"time","__value__":"25:00"}',
    '{"__type__":"datetime","__value__":"soon"}',
    '{"__type__":1,"__value__":"x"}',
  ])('%j', (text) => {
    expect(refusal(text)).toBe('body');
  });

  it('says where, and never quotes the payload', () => {
    const decoded = decodeJson('{"password": "hunter2", oops}');
    expect(decoded).toEqual({ ok: false, refusal: { reason: 'body', detail: 'not JSON: at character 25' } });
  });

  it('bytes that are not UTF-8', () => {
    expect(decodeJsonBytes(new Uint8Array([0x22, 0xff, 0x22]))).toMatchObject({
      ok: false,
      refusal: { reason: 'body' },
    });
  });
});

describe('too much is refused, before it costs much', () => {
  it.each<[string, string]>([
    ['depth', '['.repeat(501) + ']'.repeat(501)],
    ['depth of maps', '{"a":'.repeat(501) + 1 + '}'.repeat(501)],
    ['depth, with NaN', `${'['.repeat(501)}NaN${']'.repeat(501)}`],
    ['100,000 levels', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['100,000 levels, never closed', '['.repeat(100_000)],
    ['digits', '1'.repeat(5000)],
    ['keys', `{${Array.from({ length: 1_000_001 }, (_, index) => `"${index.toString(36)}":0`).join(',')}}`],
    ['characters', `"${'x'.repeat(10 * 1024 * 1024)}"`],
    ['values', `[${'0,'.repeat(5_000_001)}0]`],
  ])('%s', (_, text) => {
    expect(withinCpuMs(1000, () => refusal(text))).toBe('too-large');
  });

  it('500 levels are read', () => {
    expect(refusal('['.repeat(500) + ']'.repeat(500))).toMatch(/^read/);
  });

  it('a text full of braces is not deep', () => {
    const text = JSON.stringify('[{"\\'.repeat(20_000));
    expect(read(text)).toBe('[{"\\'.repeat(20_000));
  });

  it('large messages with few values are read', () => {
    const value = { text: 'x"\\'.repeat(200_000), rows: Array.from({ length: 10_000 }, (_, id) => ({ id })) };
    expect(read(JSON.stringify(value))).toEqual(value);
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
