// The decoder is total: whatever the bytes, a value or a refusal, soon, and nothing polluted.
import { afterAll, describe, expect, it } from 'vitest';
import { decodeException } from '../../src/protocol/exception.ts';
import type { RefusalReason } from '../../src/protocol/message.ts';
import { readResult, readTask, writeTask } from '../../src/protocol/protocol.ts';
import { fc } from '../lib/property.ts';
import { scaled } from '../run/scale.ts';
import { withinCpuMs } from './cpu.ts';
import { recorded } from './fixtures.ts';
import { jsonValue, taskMessage } from './make.ts';

const reasons: readonly RefusalReason[] = [
  'envelope',
  'content-type',
  'compression',
  'too-large',
  'body',
  'headers',
  'not-a-task',
];
const accept = ['json', 'yaml', 'msgpack'];
const before = prototypes();

afterAll(() => {
  expect(prototypes()).toEqual(before);
});

function check(raw: Uint8Array): void {
  const decoded = withinCpuMs(1000, () => readTask(raw, { accept }));
  if (decoded.ok) {
    expect(typeof decoded.value.id).toBe('string');
    expect(Array.isArray(decoded.value.args)).toBe(true);
    writeTask(decoded.value); // what was read can be sent on
  } else {
    expect(reasons).toContain(decoded.refusal.reason);
    expect(decoded.refusal.detail.length).toBeLessThan(500);
  }
}

describe('any bytes are a message or a refusal', () => {
  const seeds = recorded('messages')
    .filter(({ raw }) => raw.length < 5000)
    .map(({ raw }) => Buffer.from(raw, 'base64'));
  const seed = fc.constantFrom(...seeds);

  it('random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: scaled(50, 1000) });
  });

  it('random JSON', () => {
    fc.assert(
      fc.property(fc.json(), (text) => check(Buffer.from(text))),
      { numRuns: scaled(50, 1000) },
    );
  });

  it('recorded envelopes with bytes changed, taken out, put in, doubled', () => {
    const change = fc.record({
      at: fc.nat(10_000),
      length: fc.nat(20),
      bytes: fc.uint8Array({ maxLength: 12 }),
    });
    fc.assert(
      fc.property(seed, fc.array(change, { minLength: 1, maxLength: 5 }), (original, changes) => {
        let raw: Buffer = original;
        for (const { at, length, bytes } of changes) {
          const start = at % (raw.length + 1);
          raw = Buffer.concat([raw.subarray(0, start), bytes, raw.subarray(start + length)]);
        }
        check(raw);
      }),
      { numRuns: scaled(150, 3000) },
    );
  });

  it('recorded bodies with bytes changed', () => {
    fc.assert(
      fc.property(seed, fc.nat(5000), fc.nat(255), fc.nat(5000), (original, at, byte, cut) => {
        const envelope = JSON.parse(original.toString());
        const body = Buffer.from(envelope.body, 'base64');
        if (body.length > 0) body[at % body.length] = byte;
        const changed = cut % 3 === 0 ? body.subarray(0, cut % (body.length + 1)) : body;
        check(Buffer.from(JSON.stringify({ ...envelope, body: changed.toString('base64') })));
      }),
      { numRuns: scaled(150, 3000) },
    );
  });

  it('every header, property and part of the body replaced by any value', () => {
    const value = fc.oneof(
      jsonValue,
      fc.constantFrom('__proto__', 'constructor', -1, 1e9, 1e308, '9999-12-31T23:59:59Z', [[[]]], {
        __type__: 'x',
        __value__: 1,
      }),
    );
    const keys = Object.keys(JSON.parse(seeds[0]?.toString() ?? '').headers);
    const bodies = fc.oneof(
      value,
      fc.tuple(value, value, value),
      fc.tuple(value, value, fc.record({ chain: value, chord: value, callbacks: value })),
    );
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(...keys, 'stamps', 'stamped_headers', 'compression', '__proto__'),
          value,
          { maxKeys: 3 },
        ),
        fc.dictionary(
          fc.constantFrom(
            'delivery_info',
            'delivery_tag',
            'priority',
            'correlation_id',
            'reply_to',
            'expiration',
            '__proto__',
          ),
          value,
          { maxKeys: 2 },
        ),
        fc.option(bodies),
        (headers, properties, body) => {
          const envelope = JSON.parse(writeTask(taskMessage()));
          Object.assign(envelope.headers, headers);
          Object.assign(envelope.properties, properties);
          if (body !== null) envelope.body = Buffer.from(stringify(body)).toString('base64');
          check(Buffer.from(stringify(envelope)));
        },
      ),
      { numRuns: scaled(150, 3000) },
    );
  });
});

describe('any text is a result or a refusal', () => {
  const seeds = recorded('results').map(({ text }) => text);

  const checkResult = (text: string): void => {
    const decoded = readResult(text);
    if (decoded.ok) decodeException(decoded.value.result, decoded.value.traceback);
    else expect(reasons).toContain(decoded.refusal.reason);
  };

  it('recorded results with characters changed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.nat(500),
        fc.nat(10),
        fc.string({ maxLength: 5 }),
        (text, at, length, put) => {
          const start = at % text.length;
          checkResult(text.slice(0, start) + put + text.slice(start + length));
        },
      ),
      { numRuns: scaled(100, 2000) },
    );
  });

  it('recorded results with parts replaced by any value', () => {
    const key = fc.constantFrom(
      'status',
      'result',
      'traceback',
      'children',
      'date_done',
      'task_id',
      'group_id',
      'args',
      'kwargs',
      'retries',
      'worker',
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds.filter((text) => !text.includes('NaN'))),
        key,
        jsonValue,
        (text, part, value) => {
          checkResult(stringify({ ...JSON.parse(text), [part]: value }));
        },
      ),
      { numRuns: scaled(50, 1000) },
    );
  });

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"status":"SUCCESS"}',
    '{"task_id":"x"}',
    '{"status":1,"task_id":"x"}',
    '{"status":"","task_id":"x"}',
  ])('%j is refused', (text) => {
    expect(readResult(text).ok).toBe(false);
  });

  it('a failure of a shape that nobody knows is still a failure', () => {
    const decoded = readResult('{"status":"FAILURE","task_id":"x","result":"it broke"}');
    expect(decoded).toMatchObject({
      ok: true,
      value: {
        status: 'FAILURE',
        children: [],
        dateDone: null,
        result: { exc_type: 'Error', exc_message: ['it broke'] },
      },
    });
  });
});

/** JSON with whatever JSON lacks written as Python may. */
function stringify(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${stringify(member)}`)
    .join(',')}}`;
}

function prototypes(): string[] {
  return [Object.prototype, Array.prototype, Function.prototype, String.prototype].flatMap((prototype) =>
    Reflect.ownKeys(prototype).map(String),
  );
}
