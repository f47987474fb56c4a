// Bytes that Python Celery wrote, read by us.
import { describe, expect, it } from 'vitest';
import { decodeException } from '../../src/protocol/exception.ts';
import { decodeJson } from '../../src/protocol/json.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import { readResult, readTask } from '../../src/protocol/protocol.ts';
import { reprArgs, saferepr } from '../../src/protocol/saferepr.ts';
import { decodeSignature } from '../../src/protocol/signature-wire.ts';
import { PlainDate } from '../../src/protocol/values.ts';
import { recorded, recordedMessage } from './fixtures.ts';

const all = { accept: ['json', 'yaml', 'msgpack'], acceptCompression: ['zlib', 'application/x-bz2'] };

function read(name: string): TaskMessage {
  const decoded = readTask(recordedMessage(name), all);
  if (!decoded.ok) throw new Error(`${name}: ${decoded.refusal.detail}`);
  return decoded.value;
}

describe('a message that Python sent is read', () => {
  const refused = new Set(['pickle', 'compressed with lzma']);

  it.each(recorded('messages').filter((message) => !refused.has(message.name)))('$name', ({
    name,
    about,
  }) => {
    const message = read(name);
    expect(message.priority).toBe(name === 'priority 9' ? 9 : 0);
    if (about === null) return;
    expect(message).toMatchObject({ task: about.task, id: about.id, correlationId: about.id });
    expect([message.argsrepr, message.kwargsrepr]).toEqual([about.argsrepr, about.kwargsrepr]);
  });

  it.each<[string, readonly unknown[], object]>([
    ['no arguments', [], {}],
    ['two integers', [2, 3], {}],
    ['keywords', [], { x: 1, y: 2 }],
    ['every plain type', [null, true, false, 0, -1, 1.5, 'text', [1, [2]], { a: { b: null } }], {}],
    ['unicode', ['Zürich', '日本語', '🎉', 'it\'s "quoted"\n', '\u0000\u001f\u2028'], { größe: 'é' }],
    ['large integers', [2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 64n, 10n ** 40n], {}],
    ['floats', [0.1, 1e-7, 1e16, 1e300, -0, 123456789.12345679, 5], {}],
    ['not numbers', [Number.NaN, Infinity, -Infinity], {}],
    [
      'a datetime',
      ['2026-11-21T02:09:38.406600Z', '2026-01-02T03:04:05', '2026-01-02T00:00:00', '01:02:03'],
      {},
    ], // kombu 5.2 has no typed values
    ['decimal and uuid', ['1.10', '00000000-0000-0000-0000-000000000001'], {}],
    ['empty containers', [[], {}, ''], { nothing: null }],
    ['a tuple among the arguments', [[1, 2], [3]], {}],
    ['a long argument', ['word '.repeat(500)], {}],
    ['yaml', [1, 'zwei', 3.5, null, true, [1, 2], { a: 'yes' }], { k: 'no', n: 2 ** 40 }],
    ['yaml with times', [new Date('2026-11-21T02:09:38.406Z'), new PlainDate('2026-01-02')], {}],
    ['yaml with bytes', [new Uint8Array([0, 255])], {}],
    ['msgpack', [1, 'zwei', 3.5, null, true, [1, 2], { a: 'yes' }], { k: 'no', n: 2 ** 40 }],
    ['msgpack with bytes', [new Uint8Array([0, 255])], {}],
    ['compressed with zlib', ['word '.repeat(200)], {}],
    ['compressed with bzip2', ['word '.repeat(200)], {}],
    ['compressed with bzip2, two blocks', ['ab'.repeat(500_000)], {}],
    ['msgpack compressed with zlib', [1, 2], {}],
    ['body as raw text', ['Zürich', 2], {}],
    ['v1: two integers', [2, 3], {}],
  ])('%s: its arguments', (name, args, kwargs) => {
    const message = read(name);
    expect(message.args).toEqual(args);
    expect(message.kwargs).toEqual(kwargs);
  });

  it.each<[string, Partial<TaskMessage>]>([
    [
      'two integers',
      {
        lang: 'py',
        rootId: '00000000-0000-4000-8000-000000000002',
        parentId: null,
        retries: 0,
        persistent: true,
        origin: 'gen1@recorder',
        replyTo: 'oid-of-the-recorder',
        headers: {},
        eta: null,
        expires: null,
      },
    ],
    ['eta', { eta: new Date('2026-11-21T02:09:38.406Z') }],
    ['eta in another time zone', { eta: new Date('2026-11-21T02:09:38.406Z') }],
    ['expires at a time', { expires: new Date('2026-11-22T00:00:00Z') }],
    ['time limits', { timeLimit: 30, softTimeLimit: 10.5 }],
    ['only a soft limit', { timeLimit: null, softTimeLimit: 10 }],
    ['headers of the user', { headers: { tenant: 'acme', trace: { id: 7 } } }],
    ['shadow', { shadow: 'a nicer name' }],
    ['ignore_result', { ignoreResult: true }],
    ['transient', { persistent: false }],
    ['a retry', { retries: 3, rootId: 'root-1', parentId: 'parent-1' }],
    ['reply_to', { replyTo: 'reply-queue-1' }],
    ['in a group', { group: 'group-1', groupIndex: 4 }],
    [
      'v1: keywords and eta',
      {
        kwargs: { x: 1 },
        eta: new Date('2026-11-21T02:09:38.406Z'),
        expires: new Date('2026-11-22T00:00:00Z'),
      },
    ],
    ['v1: everything', { group: 'group-1', groupIndex: 2, retries: 2, timeLimit: 30, softTimeLimit: 10 }],
  ])('%s: what is said about it', (name, expected) => {
    expect(read(name)).toMatchObject(expected);
  });

  it('what comes after it: links, error links, a chain, a chord', () => {
    const links = read('links').embed;
    expect(links.callbacks?.map(({ task, args, immutable }) => [task, args, immutable])).toEqual([
      ['shop.add', [10], false],
      ['shop.total', [[1]], true],
    ]);
    expect(links.errbacks?.map(({ task }) => task)).toEqual(['shop.report']);
    expect(read('chain').embed.chain?.map(({ args }) => args)).toEqual([[4], [3]]); // the next step is the last
    expect(read('chord [1]').embed.chord).toMatchObject({ task: 'shop.total', subtask_type: null });
    expect(read('v1: everything').embed).toMatchObject({
      chain: null,
      chord: { task: 'shop.total' },
      callbacks: [{ args: [10] }],
    });
  });

  it('keys that are dangerous in JavaScript stay data', () => {
    const [map] = read('keys that are dangerous in JavaScript').args;
    expect(Object.keys(map as object)).toEqual(['__proto__', 'constructor']);
    expect('polluted' in {}).toBe(false);
  });

  it('a pickle is refused by name, and with a way out', () => {
    const decoded = readTask(recordedMessage('pickle'), { accept: ['json', 'pickle'] });
    expect(decoded).toMatchObject({
      ok: false,
      refusal: { reason: 'content-type', detail: expect.stringMatching(/pickle.*task_serializer/) },
    });
  });

  it('lzma is refused by name', () => {
    expect(readTask(recordedMessage('compressed with lzma'))).toMatchObject({
      ok: false,
      refusal: { reason: 'compression', detail: expect.stringMatching(/lzma is not supported/) },
    });
  });

  it('a serializer is read only when it is accepted', () => {
    expect(readTask(recordedMessage('yaml'))).toMatchObject({
      ok: false,
      refusal: { reason: 'content-type' },
    });
    expect(readTask(recordedMessage('yaml'), { accept: ['application/x-yaml'] }).ok).toBe(true);
  });
});

describe('a result that Python stored is read', () => {
  const results = new Map(recorded('results').map(({ name, text }) => [name, text]));
  const result = (name: string) => {
    const decoded = readResult(results.get(name) ?? '');
    if (!decoded.ok) throw new Error(`${name}: ${decoded.refusal.detail}`);
    return decoded.value;
  };

  it.each([...results.keys()])('%s', (name) => {
    const record = result(name);
    expect(record).toMatchObject({ taskId: 'task-1', status: name.split(/[ ,]/)[0] });
    expect(record.dateDone !== null).toBe(/SUCCESS|FAILURE|REVOKED/.test(name));
  });

  it.each([
    ['SUCCESS with an integer', 5],
    ['SUCCESS with null', null],
    ['SUCCESS with a map', { a: [1, 2.5, 'x'] }],
    ['SUCCESS with a large integer', 2n ** 70n],
    ['SUCCESS with not a number', Number.NaN],
    ['SUCCESS with unicode', 'Zürich 🎉'],
    ['STARTED', { pid: 42, hostname: 'worker@recorder' }],
    ['PROGRESS', { done: 3, total: 7 }],
    [
      'FAILURE with ValueError',
      { exc_type: 'ValueError', exc_message: ['deliberate', 42], exc_module: 'builtins' },
    ],
    ['FAILURE with no arguments', { exc_type: 'RuntimeError', exc_message: [], exc_module: 'builtins' }],
  ])('%s: its value', (name, value) => {
    expect(result(name).result).toEqual(value);
  });

  it('the extended parts', () => {
    expect(result('SUCCESS, extended')).toMatchObject({
      groupId: 'group-1',
      parentId: 'parent-1',
      name: 'shop.add',
      args: [1],
      kwargs: { y: 2 },
      worker: 'worker@recorder',
      retries: 1,
      queue: 'celery',
    });
  });

  it('children, as Celery nests them', () => {
    expect(result('SUCCESS with children').children).toEqual([
      [['child-1', null], null],
      [
        ['group-1', null],
        [
          [['a', null], null],
          [['b', null], null],
        ],
      ],
    ]);
  });

  it.each([
    ['FAILURE with ValueError', 'ValueError', "('deliberate', 42)"],
    ['FAILURE with KeyError', 'KeyError', 'missing'],
    ['FAILURE with no arguments', 'RuntimeError', ''],
    ['FAILURE with a class of the user', 'ShopError', 'sold out'],
    ['REVOKED', 'TaskRevokedError', 'terminated'],
    ['RETRY', 'ValueError', 'later'],
  ])('%s: the exception, for people', (name, type, message) => {
    const record = result(name);
    expect(decodeException(record.result, record.traceback)).toMatchObject({
      type,
      message,
      stack: record.traceback,
    });
  });
});

describe('a signature that Python wrote is read', () => {
  it.each(Object.entries(recorded('signatures')))('%s', (_, text) => {
    const value = decodeJson(text);
    const signature = value.ok ? decodeSignature(value.value) : value;
    expect(signature).toEqual({ ok: true, value: JSON.parse(text) });
  });
});

describe('the repr of arguments is that of Python', () => {
  it.each(recorded('reprs').map((each): [string, typeof each] => [each.repr.slice(0, 60), each]))('%s', (_, {
    value,
    tuple,
    repr,
  }) => {
    const decoded = decodeJson(value);
    if (!decoded.ok) throw new Error(decoded.refusal.detail);
    // A tuple within is a list after JSON.
    const expected = repr.replace('(...,)', '[...]');
    expect(tuple ? reprArgs(decoded.value as unknown[]) : saferepr(decoded.value)).toBe(expected);
  });
});
