import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommandWriter, ErrorReply, type Reply, ReplyReader } from '../../../src/stores/redis/client/resp.ts';

/** As a server writes it. */
function written(reply: Reply): Buffer {
  if (reply === null) return Buffer.from('$-1\r\n');
  if (reply instanceof ErrorReply) return Buffer.from(`-${reply.message}\r\n`);
  if (typeof reply === 'number') return Buffer.from(`:${reply}\r\n`);
  if (Array.isArray(reply))
    return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(written)]);
  const bytes = Buffer.from(reply as string | Buffer); // what is left of the union
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
}

function replies(text: fc.Arbitrary<Reply>): fc.Arbitrary<Reply> {
  const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
    reply: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.integer(),
      fc.constant(null),
      fc.constant(new ErrorReply('WRONGTYPE not a list')),
      fc.array(tie('reply')),
    ),
  }));
  return reply;
}

/** The bytes in pieces that end at these places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, n) => bytes.subarray(ends[n - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

function read(parts: readonly Buffer[], asBytes: boolean): Reply[] {
  const found: Reply[] = [];
  const reader = new ReplyReader(
    (reply) => found.push(reply),
    () => asBytes,
  );
  for (const part of parts) reader.read(part);
  return found;
}

test.each([
  ['text', fc.string({ unit: 'grapheme' }), false],
  ['bytes', fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)), true],
])('replies with %s are read whole, in their order, however they are cut into pieces', (_, text, asBytes) => {
  fc.assert(
    fc.property(
      fc.array(replies(text), { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (all, cuts) => {
        const bytes = Buffer.concat(all.map(written));
        expect(read(pieces(bytes, cuts), asBytes)).toEqual(all);
      },
    ),
  );
});

test('a reply is given as soon as it is whole, and not before', () => {
  const found: Reply[] = [];
  const reader = new ReplyReader(
    (reply) => found.push(reply),
    () => false,
  );
  const bytes = Buffer.from('*2\r\n$5\r\nfirst\r\n:-12\r\n+FINE\r\n*-1\r\n');
  const after = Array.from({ length: bytes.length }, (_, n) => {
    reader.read(bytes.subarray(n, n + 1));
    return found.length;
  });
  expect(found).toEqual([['first', -12], 'FINE', null]);
  expect([after.indexOf(1), after.indexOf(2), after.indexOf(3)]).toEqual([20, 27, 32]);
});

test('a long text in many pieces is put together once', () => {
  const long = 'ü'.repeat(500_000);
  const bytes = written([long, 1]);
  const cuts = Array.from({ length: 100 }, (_, n) => (n + 1) * 9999);
  expect(read(pieces(bytes, cuts), false)).toEqual([[long, 1]]);
});

test('what is not of the protocol is refused', () => {
  expect(() => read([Buffer.from('HTTP/1.1 400 Bad Request\r\n')], false)).toThrow(
    /no answer of Redis.*HTTP/,
  );
});

test('commands are lists of texts, counted in bytes, also when their buffer grows', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.array(
          fc.oneof(
            fc.string({ unit: 'grapheme', maxLength: 60 }),
            // Random ones of this length take long to make.
            fc.constantFrom(
              'a'.repeat(30_000),
              'ü'.repeat(3000),
              'a'.repeat(70_000),
              `${'a'.repeat(70_000)}€`,
            ),
            fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
          ),
          { minLength: 1, maxLength: 12 },
        ),
        { maxLength: 4 },
      ),
      (commands) => {
        const writer = new CommandWriter();
        const taken: Buffer[] = [];
        const take = (): void => {
          const { bytes, written } = writer.take();
          taken.push(Buffer.from(bytes));
          written(); // it is used again
        };
        for (const [n, args] of commands.entries()) {
          writer.add(args);
          if (n % 2 === 0) take();
        }
        take();
        expect(writer.length).toBe(0);
        // As text: element by element, buffers of this size are compared for seconds.
        expect(Buffer.concat(taken).toString('latin1')).toBe(
          Buffer.concat(commands.map(written)).toString('latin1'),
        );
      },
    ),
  );
});
