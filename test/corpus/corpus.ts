// Messages that are wrong in every way that we could think of, as data: a name, the raw bytes as they lie in the
// queue, and what must become of them. The same table is used against the decoder and against a running worker.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { RefusalReason } from '../../src/protocol/message.ts';

/** What must become of a message. */
export type Expected =
  /** A typed refusal with one of these reasons; in a worker the dead-letter store, byte-exact. */
  | { readonly kind: 'refused'; readonly reasons: readonly RefusalReason[] }
  /** Strange, but harmless in Celery too: it runs. */
  | { readonly kind: 'runs' }
  /** A refusal or a run; both are sound. Never a throw, a hang or a silent drop. */
  | { readonly kind: 'either' }
  /** A well-formed message for a task that does not exist: dead-lettered after the grace. */
  | { readonly kind: 'unknown-task' }
  /** A well-formed message whose time is over: recorded as revoked. */
  | { readonly kind: 'expired' };

export interface Case {
  readonly name: string;
  readonly raw: Uint8Array;
  readonly expected: Expected;
  /** The task's id, where the bytes have a readable one. */
  readonly id: string;
}

/** The task that the messages are for: takes anything, returns how many arguments it got. */
export const corpusTask = 'corpus.count';

/** Makes the table. Ids begin with `prefix`, so that the table can be sent twice into one store. */
export function corpus(prefix = 'bad'): readonly Case[] {
  const cases: Case[] = [];
  const add = (name: string, expected: Expected, make: (id: string) => string | Uint8Array): void => {
    if (cases.some((each) => each.name === name)) throw new Error(`two cases named ${name}`);
    const id = `${prefix}-${String(cases.length + 1).padStart(3, '0')}`;
    const raw = make(id);
    cases.push({ name, raw: typeof raw === 'string' ? Buffer.from(raw) : raw, expected, id });
  };
  brokenEnvelopes(add);
  brokenProperties(add);
  brokenBodies(add);
  brokenEncodings(add);
  brokenHeaders(add);
  hugeThings(add);
  pollution(add);
  strangeTexts(add);
  protocolOne(add);
  workflows(add);
  harmless(add);
  return cases;
}

type Add = (name: string, expected: Expected, make: (id: string) => string | Uint8Array) => void;

const runs: Expected = { kind: 'runs' };
const either: Expected = { kind: 'either' };
const refused = (...reasons: RefusalReason[]): Expected => ({ kind: 'refused', reasons });

function brokenEnvelopes(add: Add): void {
  const texts: readonly [string, string][] = [
    ['no bytes at all', ''],
    ['one space', ' '],
    ['a line feed', '\n'],
    ['the word null', 'null'],
    ['the word true', 'true'],
    ['a number', '42'],
    ['a text', '"hello"'],
    ['a list', '[1,2,3]'],
    ['an empty list', '[]'],
    ['an empty map', '{}'],
    ['an open brace', '{'],
    ['a map that stops in the middle', '{"body": "W10=", "headers": {"task": "corpus.c'],
    ['plain words', 'this is not JSON'],
    ['a Python repr', "{'body': 'W10='}"],
    ['a JavaScript object', '{body: "W10="}'],
    ['XML', '<?xml version="1.0"?><message/>'],
    ['an HTTP request', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['two JSON texts in a row', '{}{}'],
    ['a bare NaN', 'NaN'],
    ['a lone minus', '-'],
  ];
  for (const [name, text] of texts) add(`envelope: ${name}`, refused('envelope', 'not-a-task'), () => text);
  add('envelope: a NUL byte', refused('envelope'), () => Buffer.from([0]));
  add('envelope: random bytes', refused('envelope'), () =>
    Buffer.from('f00dbabe8badf00dfeedfacedeadbeef', 'hex'),
  );
  add('envelope: invalid UTF-8', refused('envelope'), () => Buffer.from('7b22626f6479223a22c328227d', 'hex'));
  add('envelope: UTF-16', refused('envelope'), (id) => Buffer.from(`\ufeff${json(good(id))}`, 'utf16le'));
  add('envelope: a good one cut at half its length', refused('envelope'), (id) => {
    const text = json(good(id));
    return text.slice(0, text.length / 2);
  });
  add('envelope: a good one without its last brace', refused('envelope'), (id) =>
    json(good(id)).slice(0, -1),
  );
  add('envelope: a good one followed by words', refused('envelope'), (id) => `${json(good(id))} and so on`);
  add('envelope: a good one in a list', refused('envelope'), (id) => json([good(id)]));
  add('envelope: a good one as a JSON text', refused('envelope'), (id) => json(json(good(id))));
  add('envelope: gzipped', refused('envelope'), (id) => gzipSync(json(good(id))));
  add('envelope: a comma too many', refused('envelope'), (id) => json(good(id)).replace(/\}$/, ',}'));
  add('envelope: a NUL byte inside', refused('envelope'), (id) =>
    json(good(id)).replace('"properties"', '\0"properties"'),
  );
}

function brokenProperties(add: Add): void {
  const values: readonly [string, unknown][] = [
    ['null', null],
    ['a number', 7],
    ['a text', 'x'],
    ['a list', []],
  ];
  for (const [what, value] of values) {
    add(`properties are ${what}`, value === null ? either : refused('envelope'), (id) =>
      json({ ...good(id), properties: value }),
    );
    const headers =
      value === null ? refused('envelope', 'not-a-task', 'headers') : refused('envelope', 'headers');
    add(`headers are ${what}`, headers, (id) => json({ ...good(id), headers: value }));
    add(`delivery_info is ${what}`, runs, (id) => withProperty(id, 'delivery_info', value));
    add(`delivery_tag is ${what}`, runs, (id) => withProperty(id, 'delivery_tag', value));
    add(`priority is ${what}`, runs, (id) => withProperty(id, 'priority', value));
    add(`correlation_id is ${what}`, runs, (id) => withProperty(id, 'correlation_id', value));
    add(`body_encoding is ${what}`, either, (id) => withProperty(id, 'body_encoding', value));
  }
  add('priority is 1e308', runs, (id) => withProperty(id, 'priority', 1e308));
  add('priority is minus a million', runs, (id) => withProperty(id, 'priority', -1_000_000));
  add('priority is a half', runs, (id) => withProperty(id, 'priority', 0.5));
  add('delivery_info without exchange and routing key', runs, (id) => withProperty(id, 'delivery_info', {}));
  add('delivery_info with a list for a routing key', either, (id) =>
    withProperty(id, 'delivery_info', { exchange: '', routing_key: ['celery'] }),
  );
  add('reply_to is a map', runs, (id) => withProperty(id, 'reply_to', { a: 1 }));
  add('delivery_mode is a text', runs, (id) => withProperty(id, 'delivery_mode', 'persistent'));
  add('expiration is no number', runs, (id) => withProperty(id, 'expiration', 'soon'));
  add('unknown body_encoding', refused('envelope', 'body', 'content-type'), (id) =>
    withProperty(id, 'body_encoding', 'base65'),
  );
}

function brokenBodies(add: Add): void {
  const raws: readonly [string, unknown][] = [
    ['null', null],
    ['a number', 5],
    ['true', true],
    ['a list', [[], {}, {}]],
    ['a map', {}],
  ];
  for (const [what, body] of raws)
    add(`body is ${what} and not a text`, refused('envelope', 'body'), (id) => json({ ...good(id), body }));
  add('no body', refused('envelope', 'body'), (id) => json(without(good(id), 'body')));
  add('body: empty', refused('body'), (id) => json({ ...good(id), body: '' }));
  add('body: bad base64', refused('envelope', 'body'), (id) =>
    json({ ...good(id), body: '!!! not base64 !!!' }),
  );
  add('body: base64 of bad length', refused('envelope', 'body'), (id) => json({ ...good(id), body: 'W10' }));
  const contents: readonly [string, string][] = [
    ['nothing', ' '],
    ['no JSON', 'hello'],
    ['null', 'null'],
    ['a number', '1'],
    ['a text', '"[[], {}, {}]"'],
    ['an empty list', '[]'],
    ['one element', '[[]]'],
    ['two elements, no embed', '[[], {}]'],
    ['four elements', '[[], {}, {}, {}]'],
    ['args a text', '["ab", {}, {}]'],
    ['args a number', '[1, {}, {}]'],
    ['kwargs a list of pairs', '[[], [["a", 1]], {}]'],
    ['kwargs a text', '[[], "a=1", {}]'],
    ['kwargs a number', '[[], 3, {}]'],
    ['embed a list', '[[], {}, [1]]'],
    ['embed a text', '[[], {}, "callbacks"]'],
    ['cut in the middle', '[[1, 2], {"a": '],
    ['a comma too many', '[[], {}, {},]'],
    ['single quotes', "[[], {'a': 1}, {}]"],
    ['comments', '[[], {}, {}] // nothing'],
    ['a bare word', '[[], {}, undefined]'],
    ['a number with a leading zero', '[[01], {}, {}]'],
    ['hexadecimal', '[[0x10], {}, {}]'],
    ['a bare line feed in a text', '[["a\nb"], {}, {}]'],
    ['a bad escape', '["\\q", {}, {}]'],
    ['half a unicode escape', '["\\u12", {}, {}]'],
  ];
  for (const [what, text] of contents) add(`body: ${what}`, refused('body'), (id) => withBody(id, text));
  add('body: a map with no args (header says task)', either, (id) => withBody(id, '{"a": 1}'));
  add('body: invalid UTF-8', refused('body'), (id) =>
    withBody(id, Buffer.from('5b5b22c328225d2c7b7d2c7b7d5d', 'hex')),
  );
  add('body: UTF-16', refused('body'), (id) => withBody(id, Buffer.from('[[],{},{}]', 'utf16le')));
  add('body: an unknown typed value', either, (id) =>
    withBody(id, '[[{"__type__": "rocket", "__value__": 1}], {}, {}]'),
  );
  add('body: a typed date that is none', either, (id) =>
    withBody(id, '[[{"__type__": "datetime", "__value__": "yesterday"}], {}, {}]'),
  );
  add('body: typed bytes that are no base64', either, (id) =>
    withBody(id, '[[{"__type__": "base64", "__value__": "***"}], {}, {}]'),
  );
  add('body: a typed uuid of a number', either, (id) =>
    withBody(id, '[[{"__type__": "uuid", "__value__": 5}], {}, {}]'),
  );
}

function brokenEncodings(add: Add): void {
  const types: readonly [string, unknown, Expected][] = [
    ['pickle', 'application/x-python-serialize', refused('content-type')],
    ['yaml, which is not accepted', 'application/x-yaml', refused('content-type')],
    ['msgpack, which is not accepted', 'application/x-msgpack', refused('content-type')],
    ['an unknown one', 'application/x-rocket', refused('content-type')],
    ['empty', '', refused('content-type', 'envelope', 'body', 'not-a-task')],
    ['very long', `application/${'x'.repeat(10_000)}`, refused('content-type')],
    ['JavaScript', 'text/javascript', refused('content-type')],
    ['plain text', 'text/plain', refused('content-type', 'body')],
    ['raw data', 'application/data', refused('content-type', 'body')],
    ['constructor', 'constructor', refused('content-type')],
    ['__proto__', '__proto__', refused('content-type')],
    ['null', null, refused('content-type', 'envelope', 'body', 'not-a-task')],
    ['a number', 1, refused('content-type', 'envelope')],
    ['a list', ['application/json'], refused('content-type', 'envelope')],
  ];
  for (const [what, type, expected] of types)
    add(`content-type: ${what}`, expected, (id) => json({ ...good(id), 'content-type': type }));
  add('no content-type', refused('content-type', 'envelope', 'body'), (id) =>
    json(without(good(id), 'content-type')),
  );
  add('a pickle that would run a command', refused('content-type'), (id) =>
    json({
      ...good(id),
      'content-type': 'application/x-python-serialize',
      'content-encoding': 'binary',
      body: Buffer.from("cos\nsystem\n(S'echo pwned'\ntR.").toString('base64'),
    }),
  );
  add('content-encoding: an unknown one', either, (id) =>
    json({ ...good(id), 'content-encoding': 'klingon' }),
  );
  add('content-encoding: a list', either, (id) => json({ ...good(id), 'content-encoding': [] }));
  const body = '[[1, 2], {}, {}]';
  const compressions: readonly [string, unknown, Uint8Array | string][] = [
    ['unknown', 'application/x-rocket', body],
    ['a number', 3, body],
    ['a map', {}, body],
    ['__proto__', '__proto__', body],
    ['toString', 'toString', body],
    ['zlib announced, plain sent', 'application/x-gzip', body],
    ['bzip2 announced, plain sent', 'application/x-bz2', body],
    ['brotli announced, plain sent', 'application/x-brotli', body],
    ['zstd announced, plain sent', 'application/zstd', body],
    ['zlib cut off', 'application/x-gzip', deflateSync(body).subarray(0, 9)],
    ['brotli cut off', 'application/x-brotli', brotliCompressSync(body).subarray(0, 5)],
    ['zlib with a wrong checksum', 'application/x-gzip', spoilt(deflateSync(body))],
    ['zlib in zlib', 'application/x-gzip', deflateSync(deflateSync(body))],
    ['compressed nothing', 'application/x-gzip', ''],
  ];
  for (const [what, compression, content] of compressions)
    add(`compression: ${what}`, refused('compression', 'headers', 'body'), (id) => {
      const message = good(id);
      return json({ ...message, headers: { ...message.headers, compression }, body: base64(content) });
    });
  add('compression: a zlib bomb, 64 kB that become 64 MB', refused('too-large', 'compression'), (id) => {
    const message = good(id);
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024, 0x20), { level: 9 });
    return json({
      ...message,
      headers: { ...message.headers, compression: 'application/x-gzip' },
      body: base64(bomb),
    });
  });
  add('compression: a brotli bomb, 64 MB in some bytes', refused('too-large', 'compression'), (id) => {
    const message = good(id);
    const bomb = brotliCompressSync(Buffer.alloc(64 * 1024 * 1024, 0x20), { params: { 1: 5 } });
    return json({
      ...message,
      headers: { ...message.headers, compression: 'application/x-brotli' },
      body: base64(bomb),
    });
  });
}

/** Headers that are only shown to people: nobody needs to suffer for them. The others steer the task. */
const decorative: ReadonlySet<string> = new Set(['lang', 'shadow', 'argsrepr', 'kwargsrepr', 'origin']);

/** Every header with every type that it does not have. */
function brokenHeaders(add: Add): void {
  const values = { 'a number': 7, 'a text': 'x', 'a list': [{}], 'a map': { a: 1 }, true: true } as const;
  const types: Readonly<Record<string, readonly (keyof typeof values)[]>> = {
    lang: ['a number', 'a list', 'a map'],
    shadow: ['a number', 'a list', 'a map'],
    eta: ['a number', 'a text', 'a list', 'a map', 'true'],
    expires: ['a text', 'a list', 'a map', 'true'],
    group: ['a number', 'a list', 'a map'],
    group_index: ['a text', 'a list', 'a map', 'true'],
    retries: ['a text', 'a list', 'a map', 'true'],
    timelimit: ['a number', 'a text', 'a list', 'a map', 'true'],
    root_id: ['a number', 'a list', 'a map'],
    parent_id: ['a number', 'a list', 'a map'],
    argsrepr: ['a number', 'a list', 'a map'],
    kwargsrepr: ['a number', 'a list', 'a map'],
    origin: ['a number', 'a list', 'a map'],
    ignore_result: ['a number', 'a text', 'a list', 'a map'],
    replaced_task_nesting: ['a text', 'a list', 'a map'],
    stamped_headers: ['a number', 'a text', 'a list', 'a map'],
    stamps: ['a number', 'a text', 'a list'],
  };
  for (const [header, wrong] of Object.entries(types))
    for (const what of wrong)
      add(`header ${header} is ${what}`, decorative.has(header) ? runs : refused('headers'), (id) =>
        withHeader(id, header, values[what]),
      );

  for (const what of ['a number', 'a list', 'a map', 'true'] as const) {
    add(`header task is ${what}`, refused('headers', 'not-a-task'), (id) =>
      withHeader(id, 'task', values[what]),
    );
    add(`header id is ${what}`, refused('headers', 'not-a-task'), (id) => withHeader(id, 'id', values[what]));
  }
  add('header task is null', refused('headers', 'not-a-task'), (id) => withHeader(id, 'task', null));
  add('header id is null', refused('headers', 'not-a-task'), (id) => withHeader(id, 'id', null));
  add('no header task', refused('headers', 'not-a-task'), (id) => withHeader(id, 'task', undefined));
  add('no header id', refused('headers', 'not-a-task'), (id) => withHeader(id, 'id', undefined));
  add('no headers at all', refused('headers', 'not-a-task', 'envelope'), (id) =>
    json(without(good(id), 'headers')),
  );
  add('empty headers', refused('headers', 'not-a-task'), (id) => json({ ...good(id), headers: {} }));

  const refusedValues: readonly [string, string, unknown][] = [
    ['timelimit', 'a text, which kills a Python worker', 'x'],
    ['timelimit', 'a list of texts', ['a', 'b']],
    ['eta', 'the 45th of the month', '2026-13-45T99:99:99'],
    ['eta', 'words', 'tomorrow at noon'],
    ['expires', 'words', 'never'],
    ['retries', 'NaN as a text', 'NaN'],
  ];
  for (const [header, what, value] of refusedValues)
    add(`header ${header}: ${what}`, refused('headers'), (id) => withHeader(id, header, value));

  const odd: readonly [string, string, unknown][] = [
    ['retries', 'minus one', -1],
    ['retries', 'a milliard', 1e9],
    ['retries', 'one and a half', 1.5],
    ['timelimit', 'one element', [1]],
    ['timelimit', 'three elements', [1, 2, 3]],
    ['timelimit', 'negative', [-1, -1]],
    ['timelimit', 'soft above hard', [10, 20]],
    ['timelimit', '1e308 seconds', [1e308, 1e308]],
    ['eta', 'empty', ''],
    ['eta', 'the year zero', '0000-01-01T00:00:00'],
    ['eta', 'an offset of 99 hours', '2020-01-01T00:00:00+99:00'],
    ['eta', 'the 30th of February', '2021-02-30T00:00:00'],
    ['expires', 'a number of seconds', 60],
    ['group_index', 'minus one', -1],
    ['group_index', '1e300', 1e300],
    ['root_id', '10 kB long', 'r'.repeat(10_000)],
    ['stamps', 'nested deep', { a: { b: { c: [1, { d: 2 }] } } }],
    ['stamped_headers', 'names that are not there', ['nothing']],
    ['replaced_task_nesting', 'a milliard', 1e9],
    ['origin', 'ten thousand characters', 'o'.repeat(10_000)],
  ];
  for (const [header, what, value] of odd)
    add(`header ${header}: ${what}`, either, (id) => withHeader(id, header, value));
  add('header expires: long ago', { kind: 'expired' }, (id) =>
    withHeader(id, 'expires', '2001-01-01T00:00:00+00:00'),
  );
  add('a task that nobody knows', { kind: 'unknown-task' }, (id) => withHeader(id, 'task', 'corpus.nobody'));
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty'])
    add(`a task named ${name}`, { kind: 'unknown-task' }, (id) => withHeader(id, 'task', name));
  add('a task with a name of 10,000 characters', either, (id) => withHeader(id, 'task', 'n'.repeat(10_000)));
  add('a task with a name of two lines', either, (id) =>
    withHeader(id, 'task', 'corpus\nERROR: forged line'),
  );
  add('a task with the separator of Redis queues in its name', either, (id) =>
    withHeader(id, 'task', 'a\u0006\u00163'),
  );
  add('a task with an empty name', either, (id) => withHeader(id, 'task', ''));
  add('an empty id', either, (id) => withHeader(id, 'id', ''));
  add('an id of 10,000 characters', either, (id) => withHeader(id, 'id', id.padEnd(10_000, 'x')));
  add('an id with quotes and a semicolon', either, (id) =>
    withHeader(id, 'id', `${id}'; DROP TABLE message; --`),
  );
}

function hugeThings(add: Add): void {
  const deep = 100_000;
  add(
    '100,000 lists within lists',
    refused('envelope', 'too-large'),
    () => '['.repeat(deep) + ']'.repeat(deep),
  );
  add('100,000 lists within lists in the body', refused('too-large', 'body'), (id) =>
    withBody(id, `[[${'['.repeat(deep)}${']'.repeat(deep)}], {}, {}]`),
  );
  add('100,000 maps within maps in a header', refused('too-large', 'envelope', 'headers'), (id) =>
    json(good(id)).replace('"lang":"py"', `"lang":"py","deep":${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`),
  );
  add('100,000 open brackets and no end', refused('envelope', 'too-large'), () => '['.repeat(deep));
  add('a million keys and more', refused('too-large'), (id) => {
    const keys = Array.from({ length: 1_000_001 }, (_, index) => `"${index.toString(36)}":0`).join(',');
    return withBody(id, `[[], {${keys}}, {}]`, false);
  });
  add('a body of 11 MB', refused('too-large'), (id) =>
    withBody(id, `[["${'x'.repeat(11 * 1024 * 1024)}"], {}, {}]`),
  );
  add('a number of 100,000 digits', refused('too-large', 'body'), (id) =>
    withBody(id, `[[${'9'.repeat(100_000)}], {}, {}]`),
  );
  add('numbers beyond all bounds', runs, (id) => withBody(id, '[[1e400, -1e400, 1e-400], {}, {}]'));
  add('50,000 keys that look like array indexes', runs, (id) => {
    const keys = Array.from({ length: 50_000 }, (_, index) => `"${4_294_967_294 - index * 7}":0`).join(',');
    return withBody(id, `[[{${keys}}], {}, {}]`);
  });
}

/** Nothing in a message may reach the prototypes. */
function pollution(add: Add): void {
  add('pollution: __proto__ in the envelope', runs, (id) =>
    json(good(id)).replace('{"body"', '{"__proto__":{"polluted":1},"body"'),
  );
  add('pollution: __proto__ in the headers', runs, (id) =>
    json(good(id)).replace('"lang":"py"', '"lang":"py","__proto__":{"polluted":1,"task":"corpus.count"}'),
  );
  add('pollution: only __proto__ has the task', refused('headers', 'not-a-task'), (id) =>
    json({ ...good(id), headers: {} }).replace(
      '"headers":{}',
      `"headers":{"__proto__":{"task":"${corpusTask}","id":"${id}"}}`,
    ),
  );
  add('pollution: __proto__ in the properties', runs, (id) =>
    json(good(id)).replace('"priority":0', '"priority":0,"__proto__":{"polluted":1}'),
  );
  add('pollution: __proto__ in kwargs', either, (id) =>
    withBody(id, '[[], {"__proto__": {"polluted": 1}}, {}]'),
  );
  add('pollution: __proto__ in an argument', runs, (id) =>
    withBody(id, '[[{"__proto__": {"polluted": 1}}], {}, {}]'),
  );
  add('pollution: constructor.prototype in an argument', runs, (id) =>
    withBody(id, '[[{"constructor": {"prototype": {"polluted": 1}}}], {}, {}]'),
  );
  add('pollution: __proto__ in stamps', either, (id) =>
    json(good(id)).replace('"lang":"py"', '"lang":"py","stamps":{"__proto__":{"polluted":1}}'),
  );
  add('pollution: __proto__ in embed', runs, (id) =>
    withBody(id, '[[], {}, {"__proto__": {"polluted": 1}}]'),
  );
  add('pollution: a typed value named __proto__', either, (id) =>
    withBody(id, '[[{"__type__": "__proto__", "__value__": {"polluted": 1}}], {}, {}]'),
  );
  add('pollution: a typed value named constructor', either, (id) =>
    withBody(id, '[[{"__type__": "constructor", "__value__": "x"}], {}, {}]'),
  );
}

function strangeTexts(add: Add): void {
  add('a byte order mark before the envelope', either, (id) => `\ufeff${json(good(id))}`);
  add('a byte order mark before the body', either, (id) => withBody(id, '\ufeff[[], {}, {}]'));
  add('a lone surrogate in an argument', runs, (id) => withBody(id, '[["\\ud800"], {}, {}]'));
  add('a lone surrogate in a header', either, (id) =>
    json(good(id)).replace('"lang":"py"', '"lang":"py","shadow":"\\udc00"'),
  );
  add('a lone surrogate in the id', either, (id) =>
    json(good(id)).replace(`"id":"${id}"`, `"id":"${id}\\ud800"`),
  );
  add('a NUL character in an argument', runs, (id) => withBody(id, '[["a\\u0000b"], {}, {}]'));
  add('a NUL character in the id', either, (id) =>
    json(good(id)).replace(`"id":"${id}"`, `"id":"${id}\\u0000"`),
  );
  add('a NUL character in the task name', either, (id) => withHeader(id, 'task', `${corpusTask}\0`));
  add('terminal escapes in the task name', { kind: 'unknown-task' }, (id) =>
    withHeader(id, 'task', '\u001b[2J\u001b[31mred'),
  );
  add('text that runs backwards in the task name', { kind: 'unknown-task' }, (id) =>
    withHeader(id, 'task', 'corpus\u202etnuoc'),
  );
  add('the same key twice in the envelope', either, (id) =>
    json(good(id)).replace('{"body"', '{"body":"AAAA","body"'),
  );
  add('the same key twice in an argument', runs, (id) => withBody(id, '[[{"a": 1, "a": 2}], {}, {}]'));
  add('the header id twice', either, (id) =>
    json(good(id)).replace(`"id":"${id}"`, `"id":"other","id":"${id}"`),
  );
}

function protocolOne(add: Add): void {
  const v1 = (id: string, changes: object): string => {
    const call = {
      task: corpusTask,
      id,
      args: [],
      kwargs: {},
      retries: 0,
      eta: null,
      expires: null,
      utc: true,
    };
    return json({ ...good(id), headers: {}, body: base64(json({ ...call, ...changes })) });
  };
  add('protocol 1: a good one', runs, (id) => v1(id, {}));
  add('protocol 1: no args and kwargs', either, (id) => v1(id, { args: undefined, kwargs: undefined }));
  add('protocol 1: a task that is a number', refused('body', 'headers', 'not-a-task'), (id) =>
    v1(id, { task: 5 }),
  );
  add('protocol 1: an id that is a list', refused('body', 'headers', 'not-a-task'), (id) =>
    v1(id, { id: [] }),
  );
  add('protocol 1: args that are a text', refused('body', 'headers', 'not-a-task'), (id) =>
    v1(id, { args: 'abc' }),
  );
  add('protocol 1: kwargs that are a list', refused('body', 'headers', 'not-a-task'), (id) =>
    v1(id, { kwargs: [1] }),
  );
  add('protocol 1: a time limit that is a text', refused('body', 'headers', 'not-a-task'), (id) =>
    v1(id, { timelimit: 'x' }),
  );
  add('protocol 1: an eta that is none', refused('body', 'headers', 'not-a-task'), (id) =>
    v1(id, { eta: 'soon' }),
  );
  add('protocol 1: no task', refused('body', 'headers', 'not-a-task'), (id) => v1(id, { task: undefined }));
  add('protocol 1: no id', refused('body', 'headers', 'not-a-task'), (id) => v1(id, { id: undefined }));
}

function workflows(add: Add): void {
  const call = `{"task": "${corpusTask}", "args": [], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": false}`;
  const embeds: readonly [string, string, Expected][] = [
    ['callbacks a text', '{"callbacks": "x"}', refused('body')],
    ['callbacks a number', '{"callbacks": 4}', refused('body')],
    ['callbacks of numbers', '{"callbacks": [1, 2]}', refused('body')],
    ['callbacks without a task', '{"callbacks": [{}]}', refused('body')],
    [
      'a callback whose args are a text',
      call.replace('"args": []', '"args": "x"').replace(/^.*$/, '{"callbacks": [$&]}'),
      refused('body'),
    ],
    ['errbacks a text', '{"errbacks": "x"}', refused('body')],
    ['a chain that is a map', '{"chain": {}}', refused('body')],
    ['a chain of nulls', '{"chain": [null, null]}', refused('body')],
    ['a chord that is a list', '{"chord": [1]}', refused('body')],
    ['a chord that is a text', '{"chord": "x"}', refused('body')],
    ['a chord of size minus one', `{"chord": ${call.replace('{', '{"chord_size": -1, ')}}`, either],
    ['keys that nobody knows', '{"rocket": 1}', runs],
  ];
  for (const [what, embed, expected] of embeds)
    add(`embed: ${what}`, expected, (id) => withBody(id, `[[], {}, ${embed}]`));
}

/** Strange, but a Python worker runs them too. */
function harmless(add: Add): void {
  add('harmless: raw text for a body', runs, (id) => {
    const message = good(id);
    const properties = without(message.properties, 'body_encoding');
    return json({ ...message, properties, body: '[[1], {}, {}]' });
  });
  for (const header of [
    'timelimit',
    'stamps',
    'stamped_headers',
    'group',
    'eta',
    'expires',
    'retries',
    'group_index',
    'shadow',
  ])
    add(`harmless: header ${header} is null`, runs, (id) => withHeader(id, header, null));
  add('harmless: only the headers lang, task and id', runs, (id) =>
    json({ ...good(id), headers: { lang: 'py', task: corpusTask, id } }),
  );
  add('harmless: eta with Z, long ago', runs, (id) => withHeader(id, 'eta', '2020-01-01T00:00:00Z'));
  add('harmless: eta without an offset', runs, (id) => withHeader(id, 'eta', '2020-01-01T00:00:00'));
  add('harmless: embed null', runs, (id) => withBody(id, '[[], {}, null]'));
  add('harmless: a map for args', runs, (id) => withBody(id, '[{}, {}, {}]'));
  add('harmless: no content-encoding', runs, (id) => json(without(good(id), 'content-encoding')));
  add('harmless: a time limit with a fraction', runs, (id) => withHeader(id, 'timelimit', [60.5, 30.25]));
  add('harmless: NaN and Infinity', runs, (id) => withBody(id, '[[NaN, Infinity, -Infinity], {}, {}]'));
  add('harmless: an integer beyond 2^53', runs, (id) => withBody(id, '[[9007199254740993], {}, {}]'));
  add('harmless: blanks around everything', runs, (id) => `\n\t ${json(good(id))} \r\n`);
  add('harmless: a header of the user', runs, (id) => withHeader(id, 'x-trace', { deep: [1, null, 'ü'] }));
  add('harmless: a body of 1 MB', runs, (id) => withBody(id, `[["${'x'.repeat(1024 * 1024)}"], {}, {}]`));
  add('harmless: 400 lists within lists', runs, (id) =>
    withBody(id, `[[${'['.repeat(400)}${']'.repeat(400)}], {}, {}]`),
  );
  add('harmless: compressed with zlib', runs, (id) => {
    const message = good(id);
    const headers = { ...message.headers, compression: 'application/x-gzip' };
    return json({ ...message, headers, body: base64(deflateSync('[[1, 2, 3], {}, {}]')) });
  });
}

type Properties = Readonly<Record<string, unknown>>;

interface Envelope {
  readonly body: unknown;
  readonly 'content-encoding': unknown;
  readonly 'content-type': unknown;
  readonly headers: Properties;
  readonly properties: Properties;
}

/** A message as Python Celery sends it. */
function good(id: string): Envelope {
  return {
    body: base64('[[1, 2], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'),
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers: {
      lang: 'py',
      task: corpusTask,
      id,
      shadow: null,
      eta: null,
      expires: null,
      group: null,
      group_index: null,
      retries: 0,
      timelimit: [null, null],
      root_id: id,
      parent_id: null,
      argsrepr: '(1, 2)',
      kwargsrepr: '{}',
      origin: 'gen1@host',
      ignore_result: false,
    },
    properties: {
      correlation_id: id,
      reply_to: '',
      delivery_mode: 2,
      delivery_info: { exchange: '', routing_key: 'celery' },
      priority: 0,
      body_encoding: 'base64',
      delivery_tag: `tag-${id}`,
    },
  };
}

function withHeader(id: string, header: string, value: unknown): string {
  const message = good(id);
  return json({ ...message, headers: { ...message.headers, [header]: value } });
}

function withProperty(id: string, property: string, value: unknown): string {
  const message = good(id);
  return json({ ...message, properties: { ...message.properties, [property]: value } });
}

/** With this text in its body, as base64 or as it is. */
function withBody(id: string, body: string | Uint8Array, encoded = true): string {
  const message = good(id);
  if (encoded) return json({ ...message, body: base64(body) });
  return json({ ...message, properties: without(message.properties, 'body_encoding'), body });
}

function without<T extends object>(value: T, key: keyof T & string): Partial<T> {
  const { [key]: _, ...rest } = value;
  return rest as Partial<T>; // all but one key of T
}

function spoilt(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 0xff;
  return copy;
}

function base64(content: string | Uint8Array): string {
  return Buffer.from(content as string).toString('base64'); // both kinds are taken
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
