// Megabytes of one character, wherever text stands in a message: a value or a refusal, never an exception.
import { describe, expect, it } from 'vitest';
import { decodeJson } from '../../src/protocol/json.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import { readResult, readTask, writeTask } from '../../src/protocol/protocol.ts';
import { isLong } from '../run/scale.ts';
import { taskMessage } from './make.ts';

const mega = 1_000_000;
const limits = { ...defaultLimits, maxSize: 40 * mega };
const maxSize = limits.maxSize;

/** What our readers look for. */
const marks = [...Buffer.from('1[{"-.e ')];
/** At a size that is beyond what V8's regular expressions can hold. The long run tries each byte there, and these at other sizes, too. */
const sizes: readonly [million: number, bytes: readonly number[]][] = isLong
  ? [
      [6, Array.from({ length: 256 }, (_, byte) => byte)],
      ...[1, 5, 8, 12, 20].map((size): [number, readonly number[]] => [size, marks]),
    ]
  : [[6, [...Buffer.from('1')]]];

const places: readonly [string, (text: string) => string][] = [
  ['alone', (text) => text],
  ['after a minus', (text) => `-${text}`],
  ['after a point', (text) => `0.${text}`],
  ['as an exponent', (text) => `1e${text}`],
  ['in a list', (text) => `[1, ${text}]`],
  ['within text, after a space', (text) => JSON.stringify(`x ${text}`)],
  ['as a decimal', (text) => `{"__type__": "decimal", "__value__": ${JSON.stringify(text)}}`],
  ['as a date', (text) => `{"__type__": "datetime", "__value__": ${JSON.stringify(text)}}`],
  ['as an envelope', (text) => `{"body": ${text}}`],
  ['as an unquoted body', (text) => `{"headers": {"id": ${text}}, "body": "W10="}`],
];

describe.each(sizes)('%i million times one character', (size, bytes) => {
  it.each(bytes)('byte %i', (byte) => {
    const text = Buffer.alloc(size * mega, byte).toString('latin1');
    for (const [where, put] of places) {
      const json = put(text);
      for (const decoded of [decodeJson(json, limits), readTask(Buffer.from(json), { maxSize })]) {
        if (decoded.ok) continue;
        expect(decoded.refusal.detail, where).not.toContain('the decoder failed');
        expect(decoded.refusal.detail.length, where).toBeLessThan(500);
      }
      readResult(json);
    }
  });
});

it('a text of six million digits among the arguments is sent and read like any other', () => {
  const text = `x ${'1'.repeat(6 * mega)}`;
  const read = readTask(Buffer.from(writeTask(taskMessage({ args: [text] }))));
  expect(read.ok && read.value.args[0] === text).toBe(true);
});
