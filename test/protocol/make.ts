// Messages for the tests.
import type { TaskMessage } from '../../src/protocol/message.ts';
import { reprArgs, saferepr } from '../../src/protocol/saferepr.ts';
import { taskMessage as plainMessage } from '../../src/testing/conformance.ts';
import { anyText, fc } from '../lib/property.ts';

/** A plain call of `shop.add`, with what a test wants to be different. */
export function taskMessage(changes: Partial<TaskMessage> = {}): TaskMessage {
  const id = changes.id ?? '01890000-0000-7000-8000-000000000001';
  const args = changes.args ?? [2, 3];
  const kwargs = changes.kwargs ?? {};
  const call = { task: 'shop.add', args, kwargs, argsrepr: reprArgs(args), kwargsrepr: saferepr(kwargs) };
  return plainMessage(id, { ...call, origin: 'gen1@host', ...changes });
}

/** An envelope as another program may write it: what is given, over a good one of Python's. */
export function envelope(changes: {
  readonly headers?: object;
  readonly body?: unknown;
  readonly properties?: object;
  readonly contentType?: string;
}): Uint8Array {
  const body = JSON.stringify(changes.body === undefined ? [[2, 3], {}, {}] : changes.body);
  return Buffer.from(
    JSON.stringify({
      body: Buffer.from(body).toString('base64'),
      'content-encoding': 'utf-8',
      'content-type': changes.contentType ?? 'application/json',
      headers: changes.headers ?? { lang: 'py', task: 'shop.add', id: 'id-1' },
      properties: {
        correlation_id: 'id-1',
        delivery_info: { exchange: '', routing_key: 'celery' },
        delivery_tag: 'tag-1',
        body_encoding: 'base64',
        ...changes.properties,
      },
    }),
  );
}

/** Any value that every serializer of ours carries. */
export const plainValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
    fc.string({ unit: 'grapheme' }),
    anyText,
    fc.constantFrom('yes', 'no', 'null', '~', '1', '1.5', '2026-01-02', '1:30', '=', '<<', 'x'.repeat(1200)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

/** What only JSON carries as well: integers of any size, and numbers that are none. */
export const jsonValue: fc.Arbitrary<unknown> = fc.oneof(
  plainValue,
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 200n }),
  fc.bigInt({ min: -(2n ** 200n), max: -(2n ** 53n) }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
