// What arrives, as what it was sent.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Decimal, PlainDate, PlainTime, Uuid } from '../../../src/index.ts';
import { patience, until } from '../../until.ts';
import type { Pair } from '../harness/pair.ts';
import { fromCanonical } from '../harness/python-client.ts';

interface Described {
  readonly args: unknown;
  readonly kwargs: unknown;
}

export function valueCases(pair: () => Pair): void {
  const sentToPython = async (args: readonly unknown[], kwargs = {}): Promise<Described> => {
    const seen = await pair().callPython<Described>('py.describe', args, { kwargs });
    return { args: fromCanonical(seen.args), kwargs: fromCanonical(seen.kwargs) };
  };
  const sentToTypeScript = async (args: string, more = {}): Promise<unknown> => {
    const seen = await pair().callTypeScript('ts.describe', { args, ...more });
    return fromCanonical((seen as Described).args);
  };

  test('TypeScript calls a Python task by position and by name', async () => {
    const { app } = pair();
    expect(await pair().callPython('py.add', [2, 3])).toBe(5);
    const greet = { name: 'Ann', mark: '!' };
    expect(await pair().callPython('py.greet', [], { kwargs: greet })).toBe('Hello, Ann!');
    expect(await pair().callPython('py.greet', ['Ann', 'Hi'], { kwargs: { mark: '?' } })).toBe('Hi, Ann?');
    const add = app.remote<(x: number, y: number) => number>('py.add');
    const sum: number = await (await add.delay(20, 22)).get(patience);
    expect(sum).toBe(42);
    const greeting = app.remote<(input: { name: string; mark?: string }) => string>('py.greet', {
      keywords: true,
    });
    const hello: string = await (await greeting.delay({ name: 'Ben', mark: '…' })).get(patience);
    expect(hello).toBe('Hello, Ben…');
  });

  test('Python calls a TypeScript task by position', async () => {
    expect(await pair().callTypeScript('ts.add', { args: '(2, 3)' })).toBe(5);
  });

  test('a task with a schema takes what Python gives by name, by position in the order of its keys, and mixed', async () => {
    const greet = (call: object) => pair().callTypeScript('ts.greet', call);
    expect(await greet({ kwargs: '{"name": "Ann", "mark": "!"}' })).toBe('Hello, Ann!');
    expect(await greet({ args: '("Ann", "Hi", "?")' })).toBe('Hi, Ann?');
    expect(await greet({ args: '("Ann",)', kwargs: 'dict(mark="…")' })).toBe('Hello, Ann…');
  });

  test('a call from Python that does not fit the schema fails, and says what does not fit', async () => {
    const { python } = pair();
    const outcome = async (name: string, call: object) =>
      (await python.get(await python.send(name, call))).error;
    expect(await outcome('ts.greet', { kwargs: 'dict(name=7)' })).toMatchObject({
      class: 'TypeError',
      module: 'builtins',
      text: expect.stringContaining('$.name'),
    });
    expect(await outcome('ts.greet', { args: '(1, 2, 3, 4)' })).toMatchObject({
      text: expect.stringContaining('at most 3 arguments (name, greeting, mark)'),
    });
    expect(await outcome('ts.add', { kwargs: 'dict(x=1, y=2)' })).toMatchObject({
      text: expect.stringContaining('$kwargs.x'),
    });
    expect(await outcome('ts.add', { args: '(1, 2, 3)' })).toMatchObject({
      class: 'TypeError',
      text: expect.stringContaining('at most 2 arguments (x, y), 3 given'),
    });
  });

  const plain: readonly (readonly [what: string, value: unknown, python: string])[] = [
    ['text of many scripts', 'Grüße, 日本 🎉 \u0000 \u2028 "\\', '"Grüße, 日本 🎉 \\0 \\u2028 \\"\\\\"'],
    ['integers beyond 2^53', [2n ** 53n + 1n, -(2n ** 70n)], '[2**53 + 1, -2**70]'],
    ['the largest safe integers', [2 ** 53 - 1, -(2 ** 53) + 1], '[2**53 - 1, -2**53 + 1]'],
    ['fractions', [0.1, 1e300, 5e-324, -1.5], '[0.1, 1e300, 5e-324, -1.5]'],
    [
      'what is no number',
      [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      '[nan, inf, -inf]',
    ],
    ['nothing, true and false', [null, true, false], '[None, True, False]'],
    ['empty things', [[], {}, '', [[]], { a: {} }], '[[], {}, "", [[]], {"a": {}}]'],
    [
      'nested things',
      { rows: [{ id: 1, tags: ['a', { deep: [[[1]]] }] }], ключ: { '': 0 } },
      '{"rows": [{"id": 1, "tags": ["a", {"deep": [[[1]]]}]}], "ключ": {"": 0}}',
    ],
    ['a long text', 'ä'.repeat(100_000), '"ä" * 100_000'],
  ];
  for (const [what, value, python] of plain) {
    test(`${what}: the same on both sides, there and back`, async () => {
      expect(await sentToPython([value], { k: value })).toEqual({ args: [value], kwargs: { k: value } });
      expect(await sentToTypeScript(`(${python},)`)).toEqual([value]);
      expect(await pair().callPython('py.echo', [value])).toEqual(value);
      expect(await pair().callTypeScript('ts.echo', { args: `(${python},)` })).toEqual(value);
    });
  }

  test('a call without arguments', async () => {
    expect(await sentToPython([])).toEqual({ args: [], kwargs: {} });
    expect(await sentToTypeScript('()')).toEqual([]);
    expect(await pair().callTypeScript('ts.echo')).toBe(null);
  });

  // Celery 5.2 writes dates, decimals and UUIDs as text, and shows the typed values of later ones as the maps that they
  // are on the wire. What later ones make of them is in the recorded bytes: test/protocol/recorded.test.ts.
  test('dates, decimals, UUIDs and bytes arrive in Python as themselves, before Celery 5.3 in the form that it reads', async () => {
    const values = [
      new Date('2026-11-21T13:37:00.678Z'),
      new PlainDate('2026-11-21'),
      new PlainTime('13:37:00.000123'),
      new Decimal('1.10'),
      new Uuid('12345678123456781234567812345678'),
      new Uint8Array([0xff, 0, 1]),
      new TextEncoder().encode('text'),
    ];
    if (pair().typed) return void expect((await sentToPython(values)).args).toEqual(values);
    expect((await sentToPython(values)).args).toEqual([
      { __type__: 'datetime', __value__: '2026-11-21T13:37:00.678000+00:00' },
      { __type__: 'date', __value__: '2026-11-21' },
      { __type__: 'time', __value__: '13:37:00.000123' },
      { __type__: 'decimal', __value__: '1.10' },
      { __type__: 'uuid', __value__: { hex: '12345678123456781234567812345678' } },
      { __type__: 'base64', __value__: '/wAB' },
      { __type__: 'bytes', __value__: 'text' },
    ]);
  });

  test('the maps by which Celery 5.3 writes dates, decimals, UUIDs and bytes are these again in TypeScript', async () => {
    const typed = `({"__type__": "datetime", "__value__": "2026-11-21T13:37:00.678000+00:00"},
      {"__type__": "date", "__value__": "2026-11-21"}, {"__type__": "time", "__value__": "13:37:00.000123"},
      {"__type__": "decimal", "__value__": "1.10"}, {"__type__": "uuid", "__value__": {"hex": "1234567812345678" * 2}},
      {"__type__": "base64", "__value__": "/wAB"}, {"__type__": "bytes", "__value__": "text"})`;
    expect(await sentToTypeScript(typed.replaceAll('\n', ' '))).toEqual([
      new Date('2026-11-21T13:37:00.678Z'),
      new PlainDate('2026-11-21'),
      new PlainTime('13:37:00.000123'),
      new Decimal('1.10'),
      new Uuid('12345678123456781234567812345678'),
      new Uint8Array([0xff, 0, 1]),
      new TextEncoder().encode('text'),
    ]);
  });

  test('dates, decimals, UUIDs and bytes of Python are themselves in TypeScript, of Celery 5.2 text', async () => {
    if (pair().typed) {
      const instant = 'datetime(2026, 11, 21, 13, 37, tzinfo=UTC)';
      expect(
        await sentToTypeScript(
          `(${instant}, date(2026, 11, 21), Decimal("1.10"), uuid.UUID(int=1), b"\\xff", b"a")`,
        ),
      ).toEqual([
        new Date('2026-11-21T13:37:00Z'),
        new PlainDate('2026-11-21'),
        new Decimal('1.10'),
        new Uuid('00000000-0000-0000-0000-000000000001'),
        new Uint8Array([0xff]),
        new Uint8Array([0x61]),
      ]);
      const returned = (kind: string) => pair().callPython('py.values', [kind]);
      expect(await returned('datetime')).toEqual(new Date('2026-11-21T13:37:00.678Z'));
      expect(await returned('naive')).toEqual(new Date('2026-11-21T13:37:00Z'));
      expect(await returned('date')).toEqual(new PlainDate('2026-11-21'));
      expect(await returned('time')).toEqual(new PlainTime('13:37:00.000123'));
      expect(await returned('decimal')).toEqual(new Decimal('1.10'));
      expect(await returned('uuid')).toEqual(new Uuid('12345678123456781234567812345678'));
      return;
    }
    expect(
      await sentToTypeScript(
        '(datetime(2026, 11, 21, 13, 37, tzinfo=UTC), date(2026, 11, 21), Decimal("1.10"), uuid.UUID(int=1))',
      ),
    ).toEqual([
      '2026-11-21T13:37:00Z',
      '2026-11-21T00:00:00',
      '1.10',
      '00000000-0000-0000-0000-000000000001',
    ]);
    const result = (kind: string) => pair().callPython('py.values', [kind]);
    expect(await result('datetime')).toBe('2026-11-21T13:37:00.678000Z');
    expect(await result('naive')).toBe('2026-11-21T13:37:00');
    expect(await result('date')).toBe('2026-11-21T00:00:00');
    expect(await result('decimal')).toBe('1.10');
    expect(await result('uuid')).toBe('12345678-1234-5678-1234-567812345678');
  });

  test('what a Python task returns is read by TypeScript, numbers as numbers', async () => {
    const result = (kind: string) => pair().callPython('py.values', [kind]);
    expect(await result('tuple')).toEqual([1, [2, 3]]);
    expect(await result('big')).toBe(2n ** 70n);
    expect(await result('nan')).toBe(Number.NaN);
    expect(await result('infinity')).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect(await result('none')).toBe(null);
  });

  test('what a TypeScript task returns is read by Python, numbers as numbers', async () => {
    const result = (kind: string) => pair().callTypeScript('ts.values', { args: `("${kind}",)` });
    expect(await result('big')).toBe(2n ** 70n);
    expect(await result('nan')).toBe(Number.NaN);
    expect(await result('infinity')).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect(await result('none')).toBe(null);
    expect(await result('nothing')).toBe(null);
    const { typed } = pair();
    const asMap = (type: string, text: string) => ({ __type__: type, __value__: text });
    expect(await result('decimal')).toEqual(typed ? new Decimal('1.10') : asMap('decimal', '1.10'));
    expect(await result('bytes')).toEqual(typed ? new Uint8Array([0xff, 0, 1]) : asMap('base64', '/wAB'));
  });

  test('a value that Python cannot return is an error that names it', async () => {
    await expect(pair().callPython('py.values', ['set'])).rejects.toThrow(/EncodeError.*set/);
  });

  for (const serializer of ['yaml', 'msgpack']) {
    test(`arguments in ${serializer}, both ways`, async () => {
      const value = { text: 'ä日🎉', number: 1.5, big: 2 ** 40, list: [null, true, ''] };
      const python = '{"text": "ä日🎉", "number": 1.5, "big": 2**40, "list": [None, True, ""]}';
      expect(await pair().callPython('py.echo', [value], { serializer })).toEqual(value);
      const options = `dict(serializer="${serializer}")`;
      expect(await sentToTypeScript(`(${python},)`, { options })).toEqual([value]);
    });
  }

  test('bytes in msgpack are bytes on both sides, of any version', async () => {
    const bytes = new Uint8Array([0xff, 0, 1]);
    const file = join(pair().folder, 'bytes');
    await pair().app.send('py.describe_to', [file, bytes], { serializer: 'msgpack' });
    await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    expect(fromCanonical(JSON.parse(readFileSync(file, 'utf8')))).toEqual([bytes]);
    expect(await sentToTypeScript('(b"\\xff\\0\\1",)', { options: 'dict(serializer="msgpack")' })).toEqual([
      bytes,
    ]);
  });

  test('dates in YAML are dates on both sides, of any version', async () => {
    const date = new Date('2026-11-21T13:37:00.678000Z');
    const seen = await pair().callPython<Described>('py.describe', [date], { serializer: 'yaml' });
    expect(fromCanonical(seen.args)).toEqual([date]);
    const args = '(datetime(2026, 11, 21, 13, 37, 0, 678000, tzinfo=UTC),)';
    expect(await sentToTypeScript(args, { options: 'dict(serializer="yaml")' })).toEqual([date]);
  });

  for (const compression of ['zlib', 'gzip', 'bzip2']) {
    test(`messages compressed with ${compression}`, async () => {
      const text = 'ä'.repeat(10_000);
      if (compression !== 'bzip2')
        // which is only read here
        expect(await pair().callPython('py.echo', [text], { compression })).toBe(text);
      const options = `dict(compression="${compression}")`;
      expect(await sentToTypeScript('("ä" * 10_000,)', { options })).toEqual([text]);
    });
  }
}
