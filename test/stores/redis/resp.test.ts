import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandText, ErrorReply, type Reply, readReply } from '../../../src/stores/redis/client/resp.ts';

/** As a server writes it. */
function written(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (reply instanceof ErrorReply) return `-${reply.message}\r\n`;
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(written).join('')}`;
}

const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.constant(null),
    fc.constant(new ErrorReply('WRONGTYPE not a list')),
    fc.array(tie('reply')),
  ),
}));

test('any reply is read whole, ends where the next begins, and is not read before all of it is here', () => {
  fc.assert(
    fc.property(reply, fc.nat(), (value, cut) => {
      const bytes = Buffer.from(written(value));
      expect(readReply(Buffer.concat([bytes, Buffer.from('+OK\r\n')]), 0)).toEqual({
        value,
        end: bytes.length,
      });
      expect(readReply(bytes.subarray(0, cut % bytes.length), 0)).toBeNull();
    }),
  );
});

test('a status is text, and an error says why', () => {
  expect(readReply(Buffer.from('x+FINE\r\n'), 1)).toEqual({ value: 'FINE', end: 8 });
  expect(readReply(Buffer.from('-NOSCRIPT No such\r\n'), 0)?.value).toEqual(
    new ErrorReply('NOSCRIPT No such'),
  );
});

test('a command counts bytes, not letters', () => {
  expect(commandText(['GET', 'größe'])).toBe('*2\r\n$3\r\nGET\r\n$7\r\ngröße\r\n');
});
