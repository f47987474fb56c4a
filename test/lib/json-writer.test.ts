import { describe, expect, it } from 'vitest';
import { asciiJson, JsonWriter } from '../../src/lib/json-writer.ts';
import { scaled } from '../run/scale.ts';
import { anyText, fc } from './property.ts';

describe('JSON written byte by byte', () => {
  it('is what JSON.stringify says of any texts and numbers, in ASCII', () => {
    const any = fc.record({
      texts: fc.array(fc.oneof(anyText, fc.string()), { maxLength: 20 }),
      count: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      ms: fc.double({ min: 0, max: 1e9, noNaN: true }),
    });
    const writer = new JsonWriter();
    fc.assert(
      fc.property(any, ({ texts, count, ms }) => {
        const all = [...texts, 'quote " backslash \\ newline \n', '\u2028\ud800é\u007f'];
        writer.plain('{"texts":[');
        for (const [index, text] of all.entries()) writer.plain(index === 0 ? '' : ',').string(text);
        writer.bytes(Buffer.from('],"count":')).integer(count).plain(',"seconds":').seconds(ms).plain('}');
        const written = writer.take().toString('latin1');
        expect(written).toMatch(/^[ -~]*$/);
        const read = JSON.parse(written);
        expect({ texts: read.texts, count: read.count }).toEqual({ texts: all, count });
        expect(read.seconds).toBeCloseTo(ms / 1000, 6);
      }),
      { numRuns: scaled(30, 1000) },
    );
  });

  it('has room for what is longer than its room, and what was taken is not written over until it is given back', () => {
    const writer = new JsonWriter();
    const sizes = [10, 70_000, 20_000, 300_000, 10];
    const taken = sizes.map((size, index) => writer.string(String(index).repeat(size)).take());
    expect(taken.map(({ length }) => length)).toEqual(sizes.map((size) => size + 2));
    for (const [index, bytes] of taken.entries())
      expect(bytes.toString()).toBe(`"${String(index).repeat(sizes[index] ?? 0)}"`);
    const [, , full] = taken;
    if (full === undefined) throw new Error('nothing was taken');
    writer.giveBack(full);
    writer.string('x'.repeat(20_000)).take();
    const again = writer.string('y'.repeat(20_000)).take();
    expect(again.buffer).toBe(full.buffer);
    for (const [index, bytes] of taken.entries())
      if (bytes !== full) expect(bytes.toString()).toBe(`"${String(index).repeat(sizes[index] ?? 0)}"`);
  });

  it('escapes what is not ASCII in any value', () => {
    const value = { größe: ['ü', { '\u{1f600}': 'plain' }], none: null };
    const json = asciiJson(value);
    expect(json).toMatch(/^[ -~]*$/);
    expect(JSON.parse(json)).toEqual(value);
  });
});
