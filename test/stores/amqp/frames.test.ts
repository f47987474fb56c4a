import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from '../../../src/stores/amqp/client/frames.ts';

function frame(payload: Uint8Array): Buffer {
  const head = Buffer.from([1, 0, 1, 0, 0, 0, 0]);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([0xce])]);
}

test('it is between two frames where one ends, however the bytes are cut', () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), pieces, (payloads, sizes) => {
      const greeting = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
      const parts = [greeting, ...payloads.map(frame)];
      const bytes = Buffer.concat(parts);
      const ends = parts.map((_, n) => Buffer.concat(parts.slice(0, n + 1)).length);
      const reader = new FrameReader();
      expect(reader.isBetween).toBe(false);
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const size = sizes[n % sizes.length] ?? 1;
        reader.push(bytes.subarray(at, at + size));
        at = Math.min(at + size, bytes.length);
        expect(reader.isBetween).toBe(ends.includes(at));
      }
    }),
  );
});
