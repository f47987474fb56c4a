import { describe, expect, it } from 'vitest';
import { ConfigError, NotSerializableError } from '../../src/errors.ts';
import { decodeEnvelope, encodeEnvelope, encodeEnvelopeBytes } from '../../src/protocol/envelope.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import { readTask, writeTask } from '../../src/protocol/protocol.ts';
import { encodeTask } from '../../src/protocol/task.ts';
import { envelope, taskMessage } from './make.ts';

function read(raw: Uint8Array): TaskMessage {
  const decoded = readTask(raw);
  if (!decoded.ok) throw new Error(`refused: ${decoded.refusal.reason}: ${decoded.refusal.detail}`);
  return decoded.value;
}

function refusal(raw: Uint8Array): string {
  const decoded = readTask(raw);
  return decoded.ok ? 'read' : `${decoded.refusal.reason}: ${decoded.refusal.detail}`;
}

const good = { lang: 'py', task: 'shop.add', id: 'id-1' };

describe('a message comes back as it was sent', () => {
  const signature = {
    task: 'shop.total',
    args: [[1]],
    kwargs: {},
    options: { queue: 'slow' },
    subtask_type: null,
    immutable: true,
  };
  const everything = taskMessage({
    args: [1, 'zwei', null, [3n ** 50n]],
    kwargs: { when: new Date('2026-11-21T02:09:38.406Z') },
    embed: { callbacks: [signature], errbacks: [signature], chain: [signature], chord: signature },
    shadow: 'nicer',
    eta: new Date('2026-11-21T02:09:38.406Z'),
    expires: new Date('2030-01-01T00:00:00Z'),
    group: 'group-1',
    groupIndex: 4,
    retries: 3,
    timeLimit: 30,
    softTimeLimit: 10.5,
    rootId: 'root-1',
    parentId: 'parent-1',
    ignoreResult: true,
    replacedTaskNesting: 2,
    stampedHeaders: ['batch'],
    stamps: { batch: ['b1'] },
    headers: { tenant: 'acme', at: new Date(0) },
    correlationId: 'corr-1',
    replyTo: 'reply-1',
    priority: 7,
    persistent: false,
  });

  it.each([
    ['base64', taskMessage(), {}],
    ['text', taskMessage({ args: ['Zürich "x" \n'] }), { bodyEncoding: 'utf-8' as const }],
    ['with everything that can be said', everything, {}],
    ['compressed', everything, { compression: 'brotli' }],
    [
      'compressed, though text was asked for',
      everything,
      { compression: 'zlib', bodyEncoding: 'utf-8' as const },
    ],
  ])('%s', (_, message, options) => {
    expect(read(Buffer.from(writeTask(message, options)))).toEqual(message);
  });
});

describe('a message is written as Celery writes it', () => {
  it('with every header, in the order and the spelling of Python', () => {
    const written = JSON.parse(writeTask(taskMessage()));
    expect(Object.keys(written)).toEqual([
      'body',
      'content-encoding',
      'content-type',
      'headers',
      'properties',
    ]);
    expect(Object.keys(written.headers)).toEqual([
      'lang',
      'task',
      'id',
      'shadow',
      'eta',
      'expires',
      'group',
      'group_index',
      'retries',
      'timelimit',
      'root_id',
      'parent_id',
      'argsrepr',
      'kwargsrepr',
      'origin',
      'ignore_result',
      'replaced_task_nesting',
      'stamped_headers',
      'stamps',
    ]);
    expect(written.headers).toMatchObject({
      timelimit: [null, null],
      argsrepr: '(2, 3)',
      kwargsrepr: '{}',
      retries: 0,
      ignore_result: false,
    });
    expect(written.properties).toEqual({
      correlation_id: '01890000-0000-7000-8000-000000000001',
      reply_to: '',
      delivery_mode: 2,
      delivery_info: { exchange: '', routing_key: 'celery' },
      priority: 0,
      body_encoding: 'base64',
      delivery_tag: expect.stringMatching(/^[0-9a-f]{8}-/),
    });
    expect(JSON.parse(Buffer.from(written.body, 'base64').toString())).toEqual([
      [2, 3],
      {},
      { callbacks: null, errbacks: null, chain: null, chord: null },
    ]);
  });

  it('with a delivery tag of its own each time', () => {
    const tag = () => JSON.parse(writeTask(taskMessage())).properties.delivery_tag;
    expect(tag()).not.toBe(tag());
  });

  it('with times that Celery 5.2 reads, too: six fraction digits', () => {
    const { headers } = encodeTask(taskMessage({ eta: new Date('2026-11-21T02:09:38.406Z') }));
    expect(headers.eta).toBe('2026-11-21T02:09:38.406000+00:00');
  });

  it('with the lifetime of the message itself, when it expires', () => {
    const expires = new Date('2026-01-01T00:01:00Z');
    const at = (time: string) =>
      encodeTask(taskMessage({ expires }), { now: Date.parse(time) }).properties.expiration;
    expect(at('2026-01-01T00:00:00Z')).toBe('60000');
    expect(at('2026-01-02T00:00:00Z')).toBe('0');
    expect(encodeTask(taskMessage()).properties.expiration).toBe(null);
  });

  it('with the headers of the user merged in, which cannot change those of Celery', () => {
    const { headers } = encodeTask(taskMessage({ headers: { tenant: 'acme', id: 'other', task: 'evil' } }));
    expect(headers).toMatchObject({
      tenant: 'acme',
      id: '01890000-0000-7000-8000-000000000001',
      task: 'shop.add',
    });
  });

  it('as text without naming an encoding, which kombu would not know', () => {
    const written = JSON.parse(writeTask(taskMessage(), { bodyEncoding: 'utf-8' }));
    expect(written.properties).not.toHaveProperty('body_encoding');
    expect(JSON.parse(written.body)[0]).toEqual([2, 3]);
  });

  it('with redelivered, and other properties, as they came', () => {
    const wire = encodeTask(taskMessage());
    const properties = {
      ...wire.properties,
      deliveryInfo: { exchange: 'x', routing_key: 'k', redelivered: true },
      deliveryTag: 't',
      other: { app_id: 'a' },
    };
    expect(JSON.parse(encodeEnvelope({ ...wire, properties })).properties).toMatchObject({
      delivery_info: { exchange: 'x', routing_key: 'k', redelivered: true },
      delivery_tag: 't',
      app_id: 'a',
    });
  });

  it('as bytes, the same', () => {
    const wire = encodeTask(taskMessage({ headers: { place: 'Köln €' } }));
    const properties = { ...wire.properties, deliveryTag: 't' };
    expect(encodeEnvelopeBytes({ ...wire, properties }).toString()).toBe(
      encodeEnvelope({ ...wire, properties }),
    );
  });

  it.each<[string, Partial<TaskMessage>, string]>([
    ['an argument', { args: [{ rows: [0, { id: () => 1 }] }] }, '$args[0].rows[1].id'],
    ['a keyword argument', { kwargs: { rows: [new Map()] } }, '$kwargs.rows[0]'],
    ['a header', { headers: { x: Symbol('x') } }, '$headers.x'],
    ['an eta', { eta: new Date('x') }, '$eta'],
  ])('or not at all, if it cannot be: %s', (_, changes, path) => {
    expect(() => writeTask(taskMessage(changes))).toThrow(
      expect.objectContaining({ name: NotSerializableError.name, path }),
    );
  });

  it('or not at all, with a compression that nobody has', () => {
    expect(() => encodeTask(taskMessage(), { compression: 'zlip' })).toThrow(ConfigError);
    expect(() => encodeTask(taskMessage(), { compression: 'zlip' })).toThrow("did you mean 'zlib'?");
    expect(() => encodeTask(taskMessage(), { compression: 'bzip2' })).toThrow(/only read/);
    expect(() => encodeTask(taskMessage(), { serializer: 'raw' })).toThrow(ConfigError);
  });
});

describe('what kills a Python worker is survived', () => {
  it.each<[string, object]>([
    ['no delivery info', { delivery_info: undefined }],
    ['delivery info without its keys', { delivery_info: {} }],
    ['no delivery tag', { delivery_tag: undefined }],
    [
      'properties of wrong types',
      { priority: 'high', correlation_id: 7, reply_to: [], delivery_mode: 'x', delivery_info: 3 },
    ],
  ])('%s: it runs', (_, properties) => {
    expect(read(envelope({ headers: good, properties }))).toMatchObject({
      id: 'id-1',
      args: [2, 3],
      priority: 0,
      persistent: true,
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['a body of two parts', [[], {}], /^body: the body has 2 parts/],
    ['a body that is a map', { a: 1 }, /^body: the body is a map/],
    ['a body that is null', null, /^body/],
    ['args that are text', ['ab', {}, {}], /^body: the args are text/],
    ['args that are a map with keys', [{ a: 1 }, {}, {}], /^body: the args are a map/],
    ['kwargs that are a list', [[], [], {}], /^body: the kwargs are a list/],
    ['an embed that is text', [[], {}, 'x'], /^body: the embed is text/],
    [
      'callbacks that are no signatures',
      [[], {}, { callbacks: [1] }],
      /^body: embed.callbacks\[0\] is a number/,
    ],
    ['a chain that is a map', [[], {}, { chain: {} }], /^body: embed.chain is a map/],
    ['a chord without a task', [[], {}, { chord: { args: [] } }], /^body: embed.chord names no task/],
    [
      'a signature with text as args',
      [[], {}, { errbacks: [{ task: 't', args: 'x' }] }],
      /^body: embed.errbacks\[0\] has text as args/,
    ],
  ])('%s: refused', (_, body, reason) => {
    expect(refusal(envelope({ headers: good, body }))).toMatch(reason);
  });

  it.each<[string, unknown, Partial<TaskMessage>]>([
    [
      'embed null',
      [[1], {}, null],
      { args: [1], embed: { callbacks: null, errbacks: null, chain: null, chord: null } },
    ],
    ['an empty map in place of the args', [{}, {}, {}], { args: [] }],
    ['args and kwargs null', [null, null, {}], { args: [], kwargs: {} }],
  ])('%s: it runs', (_, body, expected) => {
    expect(read(envelope({ headers: good, body }))).toMatchObject(expected);
  });

  it('the extra keys of an older peer in a signature are kept', () => {
    const chord = {
      task: 't',
      args: [],
      kwargs: {},
      options: {},
      subtask_type: null,
      immutable: false,
      chord_size: 3,
    };
    expect(read(envelope({ headers: good, body: [[], {}, { chord }] })).embed.chord).toEqual(chord);
  });
});

describe('headers', () => {
  const withHeader = (changes: object) => envelope({ headers: { ...good, ...changes } });

  it.each<[string, object, Partial<TaskMessage>]>([
    [
      'the fewest that Celery runs',
      {},
      {
        id: 'id-1',
        rootId: 'id-1',
        parentId: null,
        argsrepr: '(2, 3)',
        retries: 0,
        stamps: {},
        origin: null,
        shadow: null,
        eta: null,
        timeLimit: null,
      },
    ],
    ['eta with Z', { eta: '2026-11-21T02:09:38Z' }, { eta: new Date('2026-11-21T02:09:38Z') }],
    [
      'eta without an offset is UTC',
      { eta: '2026-11-21T02:09:38.5' },
      { eta: new Date('2026-11-21T02:09:38.500Z') },
    ],
    [
      'an eta in the year 9999',
      { eta: '9999-12-31T23:59:59+00:00' },
      { eta: new Date('9999-12-31T23:59:59Z') },
    ],
    ['an empty eta', { eta: '' }, { eta: null }],
    [
      'an eta as a typed value',
      { eta: { __type__: 'datetime', __value__: '2026-11-21T02:09:38' } },
      { eta: new Date('2026-11-21T02:09:38Z') },
    ],
    ['time limits null, empty, zero, broken', { timelimit: null }, { timeLimit: null, softTimeLimit: null }],
    ['an empty list of time limits', { timelimit: [] }, { timeLimit: null, softTimeLimit: null }],
    ['time limits of 0 are none', { timelimit: [0, 0.5] }, { timeLimit: null, softTimeLimit: 0.5 }],
    [
      'everything null',
      {
        retries: null,
        group: null,
        group_index: null,
        root_id: null,
        stamps: null,
        stamped_headers: null,
        ignore_result: null,
        replaced_task_nesting: null,
      },
      {
        retries: 0,
        group: null,
        rootId: 'id-1',
        stamps: {},
        stampedHeaders: null,
        ignoreResult: false,
        replacedTaskNesting: 0,
      },
    ],
    [
      'what is only shown, of a wrong type',
      { lang: 1, shadow: [], origin: {}, argsrepr: 5, kwargsrepr: null },
      { lang: '', shadow: null, origin: null, argsrepr: '(2, 3)', kwargsrepr: '{}' },
    ],
    [
      'headers of the user',
      { tenant: 'acme', deep: { a: [1] } },
      { headers: { tenant: 'acme', deep: { a: [1] } } },
    ],
    [
      'those of newer Celery',
      { stamped_headers: ['batch'], stamps: { batch: 'b1' }, replaced_task_nesting: 1 },
      { stampedHeaders: ['batch'], stamps: { batch: 'b1' }, replacedTaskNesting: 1 },
    ],
    ['that kombu adds when it restores a message', { redelivered: true }, { headers: {} }],
  ])('%s', (_, changes, expected) => {
    expect(read(withHeader(changes))).toMatchObject(expected);
  });

  it.each<[string, object]>([
    ['id', { id: undefined }],
    ['id', { id: null }],
    ['id', { id: '' }],
    ['id', { id: 7 }],
    ['id', { id: 'x'.repeat(20_000) }],
    ['id', { id: '\ud800' }],
    ['task', { task: null }],
    ['task', { task: '' }],
    ['task', { task: ['x'] }],
    ['eta', { eta: 'soon' }],
    ['eta', { eta: 5 }],
    ['eta', { eta: '2026-02-30T00:00:00' }],
    ['eta', { eta: '0000-01-01T00:00:00' }],
    ['eta', { eta: {} }],
    ['expires', { expires: '2026-13-01' }],
    ['expires', { expires: true }],
    ['retries', { retries: -1 }],
    ['retries', { retries: 1e9 }],
    ['retries', { retries: 1.5 }],
    ['retries', { retries: '3' }],
    ['group', { group: 5 }],
    ['group_index', { group_index: 'x' }],
    ['group_index', { group_index: -1 }],
    ['timelimit', { timelimit: 'x' }],
    ['timelimit', { timelimit: [1] }],
    ['timelimit', { timelimit: [-1, null] }],
    ['timelimit', { timelimit: ['1', null] }],
    ['timelimit', { timelimit: [1e300, null] }],
    ['timelimit', { timelimit: {} }],
    ['root_id', { root_id: 5 }],
    ['parent_id', { parent_id: {} }],
    ['ignore_result', { ignore_result: 'yes' }],
    ['replaced_task_nesting', { replaced_task_nesting: -1 }],
    ['stamps', { stamps: [] }],
    ['stamped_headers', { stamped_headers: 'x' }],
    ['stamped_headers', { stamped_headers: [1] }],
  ])('a wrong %s is refused by name: %j', (header, changes) => {
    expect(refusal(withHeader(changes))).toMatch(new RegExp(`^headers: '${header}' `));
  });

  it('a compression of a wrong type or an unknown name is refused', () => {
    expect(refusal(withHeader({ compression: 5 }))).toMatch(/^compression: .*a number/);
    expect(refusal(withHeader({ compression: 'application/x-snappy' }))).toMatch(/^compression: .*unknown/);
    expect(refusal(withHeader({ compression: 'application/x-gzip' }))).toMatch(/^compression: .*damaged/);
  });
});

describe('protocol 1 and the mixture', () => {
  const v1 = {
    task: 'shop.add',
    id: 'id-1',
    args: [1],
    kwargs: { y: 2 },
    retries: 1,
    eta: null,
    expires: null,
    utc: true,
    timelimit: [30, 10],
    taskset: 'group-1',
  };

  it('protocol 1 is read, with its own names', () => {
    expect(read(envelope({ headers: {}, body: v1 }))).toMatchObject({
      task: 'shop.add',
      id: 'id-1',
      args: [1],
      kwargs: { y: 2 },
      retries: 1,
      timeLimit: 30,
      softTimeLimit: 10,
      group: 'group-1',
      argsrepr: '(1,)',
      rootId: 'id-1',
      headers: {},
    });
  });

  it('its times are local ones when it says so', () => {
    const eta = '2026-01-02T03:04:05';
    expect(read(envelope({ headers: {}, body: { ...v1, eta } })).eta).toEqual(new Date(`${eta}Z`));
    expect(read(envelope({ headers: {}, body: { ...v1, eta, utc: false } })).eta).toEqual(new Date(eta));
  });

  it('in the mixture the headers win', () => {
    const headers = { task: 'shop.other', id: 'id-2', tenant: 'acme' };
    expect(read(envelope({ headers, body: { ...v1, callbacks: null } }))).toMatchObject({
      task: 'shop.other',
      id: 'id-2',
      args: [1],
      retries: 1,
      headers: { tenant: 'acme' },
    });
  });

  it.each([
    ['a list without the header task', envelope({ headers: {}, body: [[], {}, {}] }), /^not-a-task/],
    ['a map without a task', envelope({ headers: {}, body: { args: [] } }), /^not-a-task/],
    ['a task that is no text', envelope({ headers: {}, body: { ...v1, task: 3 } }), /^headers: 'task'/],
    ['kwargs that are a list', envelope({ headers: {}, body: { ...v1, kwargs: [] } }), /^body/],
  ])('%s is refused', (_, raw, reason) => {
    expect(refusal(raw)).toMatch(reason);
  });
});

describe('envelopes', () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ['nothing', '', /^envelope: .*too early/],
    ['null', 'null', /^envelope: .*null/],
    ['a list', '[]', /^envelope: .*a list/],
    ['a body that is no text', '{"body": 5}', /^envelope: .*a number/],
    ['no body', '{}', /^envelope: .*nothing/],
    ['headers that are a list', '{"body": "", "headers": []}', /^envelope: .*headers/],
    ['properties that are text', '{"body": "", "properties": "x"}', /^envelope: .*properties/],
    [
      'bad base64',
      '{"body": "!!!!", "properties": {"body_encoding": "base64"}}',
      /^envelope: .*body_encoding/,
    ],
    [
      'an unknown encoding of the body',
      '{"body": "", "properties": {"body_encoding": "rot13"}}',
      /^envelope: .*body_encoding/,
    ],
    ['bytes that are no UTF-8', new Uint8Array([0x7b, 0xff]), /^envelope: .*UTF-8/],
    [
      'no content-type',
      '{"body": "[[],{},{}]", "headers": {"task": "t", "id": "i"}}',
      /^content-type: .*no content-type/,
    ],
    [
      'an unknown content-type',
      '{"body": "x", "content-type": "text/html", "headers": {"task": "t", "id": "i"}}',
      /^content-type/,
    ],
    [
      'plain text, which is always read, but is no task',
      '{"body": "x", "content-type": "text/plain", "headers": {"task": "t", "id": "i"}}',
      /^body: the body is text/,
    ],
    [
      'an unknown content-encoding',
      '{"body": "[]", "content-type": "application/json", "content-encoding": "utf-7", "headers": {"task": "t", "id": "i"}}',
      /^body: .*content-encoding/,
    ],
    ['100,000 levels', `{"headers": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /^too-large/],
  ])('%s: refused', (_, raw, reason) => {
    expect(refusal(Buffer.from(raw))).toMatch(reason);
  });

  it('a refusal never quotes the payload', () => {
    expect(refusal(Buffer.from('{"body": "secret", secret}'))).not.toContain('secret');
  });

  it('text and bytes are read alike', () => {
    const text = writeTask(taskMessage({ args: ['Zürich'] }));
    expect(decodeEnvelope(text)).toEqual(decodeEnvelope(Buffer.from(text)));
  });
});
