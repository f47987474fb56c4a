// Small messages that would become large ones, and damaged ones.
import zlib, { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compress, decompress } from '../../src/protocol/compression.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { deserialize, serialize, serializerNamed } from '../../src/protocol/serializers.ts';
import { scaled } from '../run/scale.ts';
import { bytesMadeBy, withinCpuMs } from './cpu.ts';
import { recordedMessage } from './fixtures.ts';

const limit = 1024 * 1024;

/** An empty stream of bzip2, at its highest level. */
const empty = Buffer.from('QlpoORdyRThQkAAAAAA=', 'base64');

function bunzip(bytes: Uint8Array, maxSize = limit): ReturnType<typeof decompress> {
  return decompress(bytes, 'application/x-bz2', maxSize, ['bzip2']);
}

function reason(result: { ok: boolean; refusal?: { reason: string } }): string {
  return result.refusal?.reason ?? 'read';
}

describe('decompression stops at the limit', () => {
  const zeros = Buffer.alloc(scaled(16, 64) * 1024 * 1024);
  it.each<[string, Uint8Array, string]>([
    ['zlib', deflateSync(zeros), 'application/x-gzip'],
    ['gzip', gzipSync(zeros), 'gzip'],
    [
      'brotli',
      brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
      'application/x-brotli',
    ],
  ])('%s', (_, bomb, mime) => {
    expect(bomb.length).toBeLessThan(300_000);
    const made = bytesMadeBy(() => expect(reason(decompress(bomb, mime, limit))).toBe('too-large'));
    expect(made).toBeLessThan(4 * limit);
  });

  it('bzip2', () => {
    const wire = JSON.parse(Buffer.from(recordedMessage('compressed with bzip2, two blocks')).toString());
    const bomb = Buffer.from(wire.body, 'base64');
    expect(bomb.length).toBeLessThan(1000);
    expect(reason(bunzip(bomb, 900_000))).toBe('too-large');
    expect(reason(bunzip(bomb))).toBe('read');
  });

  it('bzip2 is read up to 1 MiB, of at most 100 streams, and only where it is accepted', () => {
    expect(decompress(empty, 'application/x-bz2', limit)).toEqual({
      ok: false,
      refusal: {
        reason: 'compression',
        detail: "the compression 'bzip2' is not accepted; add it to acceptCompression (gzip, brotli, zstd)",
      },
    });
    expect(reason(bunzip(Buffer.alloc(1024 * 1024 + 1)))).toBe('too-large');
    expect(reason(bunzip(Buffer.concat(Array.from({ length: 100 }, () => empty))))).toBe('read');
    // What took two minutes: an empty stream, again and again. The memory for a block is taken once.
    const streams = Buffer.concat(Array.from({ length: 70_000 }, () => empty));
    const made = bytesMadeBy(() => expect(reason(bunzip(streams))).toBe('compression'));
    expect(made).toBeLessThan(8 * limit);
  });

  it('zstd, where the runtime has it; where not, it is refused with the version that has', () => {
    const hasZstd = 'zstdCompressSync' in zlib;
    if (hasZstd) expect(reason(decompress(compress(zeros, 'zstd').body, 'zstd', limit))).toBe('too-large');
    else
      expect(decompress(new Uint8Array(), 'zstd', limit)).toMatchObject({
        refusal: { detail: expect.stringMatching(/Node 22/) },
      });
  });

  it('what is just as large as allowed is read', () => {
    expect(reason(decompress(deflateSync(Buffer.alloc(limit)), 'zlib', limit))).toBe('read');
    expect(reason(decompress(deflateSync(Buffer.alloc(limit + 1)), 'zlib', limit))).toBe('too-large');
  });
});

describe('damaged data is refused', () => {
  const wire = JSON.parse(Buffer.from(recordedMessage('compressed with bzip2')).toString());
  const bzip2 = Buffer.from(wire.body, 'base64');

  it.each<[string, Uint8Array, string]>([
    ['zlib', Buffer.from('not compressed'), 'zlib'],
    ['zlib, cut', deflateSync(Buffer.alloc(1000, 'ab')).subarray(0, 10), 'zlib'],
    ['brotli', Buffer.from('not compressed'), 'brotli'],
  ])('%s', (_, bytes, name) => {
    expect(reason(decompress(bytes, name, limit))).toBe('compression');
  });

  it('bzip2: what is none, and nothing', () => {
    expect(reason(bunzip(Buffer.from('not compressed')))).toBe('compression');
    expect(reason(bunzip(new Uint8Array()))).toBe('compression');
  });

  it('bzip2: cut anywhere, or with any byte changed', () => {
    for (let at = 0; at < bzip2.length; at++) {
      expect(reason(bunzip(bzip2.subarray(0, at)))).toBe('compression');
      const changed = Buffer.from(bzip2);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      // The last bits of the last byte are padding.
      if (at < bzip2.length - 1) expect(reason(bunzip(changed)), `byte ${at}`).toBe('compression');
    }
  });

  it('several bzip2 streams in a row are one', () => {
    const one = bunzip(bzip2);
    const two = bunzip(Buffer.concat([bzip2, bzip2]));
    if (!one.ok || !two.ok) throw new Error('refused');
    expect(Buffer.from(two.value)).toEqual(Buffer.concat([one.value, one.value]));
  });
});

describe('msgpack', () => {
  const read = (bytes: number[]) =>
    reason(
      deserialize(Uint8Array.from(bytes), 'application/x-msgpack', 'binary', ['msgpack'], defaultLimits),
    );
  it.each<[string, number[], string]>([
    ['a list that claims four billion members', [0xdd, 0xff, 0xff, 0xff, 0xff], 'too-large'],
    ['a list that claims more than there is', [0xdc, 0x00, 0x10, 0x01], 'body'],
    ['a map that claims more than there is', [0xde, 0x00, 0x10, 0x01], 'body'],
    ['text that claims more than there is', [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61], 'body'],
    [
      'lists within lists that each claim a million',
      Array.from({ length: 5000 }, () => [0xdd, 0x00, 0x0f, 0x42, 0x40]).flat(),
      'body',
    ],
    ['too deep', Array.from({ length: 600 }, () => 0x91).concat(0xc0), 'too-large'],
    ['nothing', [], 'body'],
    ['a byte that means nothing', [0xc1], 'body'],
    ['an extension type', [0xd4, 0x01, 0x00], 'body'],
    ['bytes left over', [0xc0, 0xc0], 'body'],
    ['a map with __proto__', [0x81, 0xa9, ...Buffer.from('__proto__'), 0xc0], 'body'],
    ['a map with a list as key', [0x81, 0x90, 0xc0], 'body'],
    ['a cut number', [0xcb, 0x00], 'body'],
  ])('%s is refused', (_, bytes, expected) => {
    expect(read(bytes)).toBe(expected);
  });

  it('integers up to 64 bits are exact', () => {
    const value = [2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n, -(2n ** 63n), 1.5];
    const { body, contentType, contentEncoding } = serialize('msgpack', value);
    expect(deserialize(body, contentType, contentEncoding, ['msgpack'], defaultLimits)).toEqual({
      ok: true,
      value,
    });
    expect(() => serialize('msgpack', { id: [2n ** 64n] })).toThrow(/64 bits/);
  });
});

describe('YAML', () => {
  const decode = (text: string) =>
    deserialize(Buffer.from(text), 'application/x-yaml', 'utf-8', ['yaml'], defaultLimits);

  it.each<[string, string, string]>([
    [
      'a billion laughs',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
        .split('')
        .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`)
        .join('\n')}`,
      'body',
    ],
    ['something within itself', '&a [*a]', 'too-large'],
    ['too deep', `${'['.repeat(600)}${']'.repeat(600)}`, 'too-large'],
    ['very much too deep', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'too-large'],
    ['very deep blocks', '- '.repeat(50_000), 'too-large'],
    [
      'many aliases of deep things',
      `a: &a ${'['.repeat(300)}${']'.repeat(300)}\nb: [${'*a,'.repeat(90)}]`,
      'too-large',
    ],
    ['a Python object', '!!python/object/apply:os.system ["true"]', 'body'],
    ['a tag of its own', '!secret x', 'body'],
    ['broken', 'a: [1', 'body'],
    ['a number that is none', '!!int x', 'body'],
    ['two documents', '--- 1\n--- 2', 'body'],
    ['two megabytes', `[${'1,'.repeat(1_000_000)}]`, 'too-large'],
  ])('%s is refused', (_, text, expected) => {
    expect(reason(withinCpuMs(2000, () => decode(text)))).toBe(expected);
  });

  it('plain words are what they are for Python', () => {
    const text =
      '[yes, No, n, 1e3, 1.0e+3, 0x1f, 017, 0b11, 1_000, 1:30, 2026-01-02, 2026-1-2 3:04:05.5 +1, ~, .inf, "yes", 08, 12345678901234567890]';
    const at = new Date('2026-01-02T02:04:05.500Z');
    const decoded = decode(text);
    expect(decoded.ok && decoded.value).toEqual([
      true,
      false,
      'n',
      '1e3',
      1000,
      31,
      15,
      3,
      1000,
      90,
      expect.objectContaining({ text: '2026-01-02' }),
      at,
      null,
      Infinity,
      'yes',
      '08',
      12345678901234567890n,
    ]);
  });

  it('many keys take no quadratic time, and the last of two equal ones wins, as in Python', () => {
    const text = `${Array.from({ length: 15_000 }, (_, index) => `k${index}: 1`).join('\n')}\nk0: 2`;
    const decoded = withinCpuMs(2000, () => decode(text));
    expect(decoded).toMatchObject({ ok: true, value: { k0: 2, k14999: 1 } });
  });

  it('anchors and merge keys are read, as PyYAML reads them', () => {
    expect(decode('a: &x {p: 1}\nb: *x\nc: {<<: *x, q: 2}')).toEqual({
      ok: true,
      value: { a: { p: 1 }, b: { p: 1 }, c: { p: 1, q: 2 } },
    });
  });

  it('the key __proto__ changes no prototype', () => {
    decode('__proto__: {polluted: 1}\nconstructor: {prototype: {polluted: 1}}');
    expect('polluted' in {}).toBe(false);
  });
});

describe('serializers have names', () => {
  it.each([
    ['json', 'json'],
    ['application/json', 'json'],
    ['bytes', 'raw'],
    ['application/x-yaml', 'yaml'],
    ['str', 'text'],
  ])('%s is %s', (name, meant) => {
    expect(serializerNamed(name)).toBe(meant);
  });

  it('pickle is refused with the reason, a typing error with what was meant', () => {
    expect(() => serializerNamed('pickle')).toThrow(/runs code chosen by the sender/);
    expect(() => serializerNamed('jsn')).toThrow("did you mean 'json'?");
  });
});
