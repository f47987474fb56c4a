// What we write, read by real Python Celery; what Python writes, read by us. Random values.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  SoftTimeLimitExceeded,
  TaskRevokedError,
  TimeLimitExceeded,
  UnknownTaskError,
} from '../../src/errors.ts';
import { encodeException } from '../../src/protocol/exception.ts';
import { encodeJson } from '../../src/protocol/json.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import { writeResult, writeTask } from '../../src/protocol/protocol.ts';
import { reprArgs, saferepr } from '../../src/protocol/saferepr.ts';
import { decodeTask, type EncodeTaskOptions } from '../../src/protocol/task.ts';
import { Decimal, PlainDate, PlainTime, Uuid } from '../../src/protocol/values.ts';
import { fc } from '../lib/property.ts';
import { needs } from '../needs.ts';
import { scaled, seed } from '../run/scale.ts';
import { jsonValue, plainValue, taskMessage } from './make.ts';
import { canonical, noPython, Peer, unordered } from './python.ts';

/** What the peer says of a task message. */
interface PythonTask {
  readonly args: unknown;
  readonly kwargs: unknown;
  readonly embed: unknown;
  readonly eta: number | null;
  readonly expires: number | null;
  readonly same_repr: boolean;
  readonly [key: string]: unknown;
}

let peer: Peer;
beforeAll(() => {
  if (noPython === undefined) peer = new Peer();
});
afterAll(() => peer?.[Symbol.asyncDispose]());

/** How many random values are tried. */
const count = scaled(40, 1000);

async function pythonReads(texts: readonly string[]): Promise<PythonTask[]> {
  const requests = texts.map((text) => ({ op: 'task', raw: Buffer.from(text).toString('base64') }));
  return (await peer.ask<PythonTask>(requests)).map((answer) => {
    if ('error' in answer) throw new Error(answer.error);
    return answer.ok;
  });
}

needs(describe, noPython)('Python Celery reads what we write', () => {
  const samples = (value: fc.Arbitrary<unknown>): TaskMessage[] =>
    fc
      .sample(
        fc.tuple(
          fc.array(value, { maxLength: 3 }),
          fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value, { maxKeys: 3, noNullPrototype: true }),
        ),
        count,
      )
      .map(([args, kwargs]) => taskMessage({ args, kwargs, task: 'peer.task' }));

  it.each<[string, EncodeTaskOptions & { bodyEncoding?: 'utf-8' }, fc.Arbitrary<unknown>]>([
    ['JSON in base64', {}, jsonValue],
    ['JSON as text', { bodyEncoding: 'utf-8' }, jsonValue],
    ['YAML', { serializer: 'yaml' }, plainValue.filter(noLoneSurrogates)],
    ['msgpack', { serializer: 'msgpack' }, plainValue.filter(noLoneSurrogates)],
    ['JSON with zlib', { compression: 'zlib' }, jsonValue],
  ])('random arguments, %s', async (_, options, value) => {
    const messages = samples(value);
    const read = await pythonReads(messages.map((message) => writeTask(message, options)));
    for (const [index, message] of messages.entries()) {
      expect(unordered(read[index]?.args)).toEqual(unordered(canonical(message.args)));
      expect(unordered(read[index]?.kwargs)).toEqual(unordered(canonical(message.kwargs)));
    }
  });

  it('typed values, as kombu 5.3 and later read them', async () => {
    const args = [
      new Date('2026-11-21T02:09:38.406Z'),
      new Date('0001-01-01T00:00:00Z'),
      new Uint8Array([104, 105]),
      new Uint8Array([0, 255]),
      new Decimal('1.10'),
      new Uuid('01890000-0000-7000-8000-000000000001'),
      new PlainDate('2026-11-21'),
      new PlainTime('13:37:00.000123'),
    ];
    expect((await pythonReads([writeTask(taskMessage({ args }))]))[0]?.args).toEqual(canonical(args));
  });

  it('everything that can be said about a call', async () => {
    const signature = {
      task: 'peer.task',
      args: [1],
      kwargs: {},
      options: { queue: 'slow' },
      subtask_type: null,
      immutable: true,
    };
    const message = taskMessage({
      id: 'id-1',
      task: 'peer.task',
      shadow: 'nicer',
      eta: new Date('2026-11-21T02:09:38.406Z'),
      expires: new Date('2027-01-01T00:00:00Z'),
      group: 'group-1',
      groupIndex: 3,
      retries: 2,
      timeLimit: 30,
      softTimeLimit: 10.5,
      rootId: 'root-1',
      parentId: 'parent-1',
      ignoreResult: true,
      headers: { tenant: 'acme' },
      correlationId: 'corr-1',
      replyTo: 'reply-1',
      priority: 5,
      embed: {
        callbacks: [signature],
        errbacks: [signature],
        chain: [signature, signature],
        chord: signature,
      },
    });
    const [read] = await pythonReads([writeTask(message)]);
    expect(read).toMatchObject({
      id: 'id-1',
      task: 'peer.task',
      name: 'nicer',
      eta: Date.parse('2026-11-21T02:09:38.406Z'),
      expires: Date.parse('2027-01-01T00:00:00Z'),
      group: 'group-1',
      group_index: 3,
      timelimit: [30, 10.5],
      root_id: 'root-1',
      parent_id: 'parent-1',
      ignore_result: true,
      correlation_id: 'corr-1',
      reply_to: 'reply-1',
      priority: 5,
      delivery_tag: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(read?.embed).toEqual(canonical(message.embed));
    expect(JSON.stringify(read?.headers)).toContain('acme');
  });

  it('the repr of the arguments is what Python itself would have written', async () => {
    const messages = samples(plainValue.filter(noLoneSurrogates)).filter(
      ({ args }) => reprArgs(args).length < 900,
    );
    const read = await pythonReads(messages.map((message) => writeTask(message)));
    for (const [index, message] of messages.entries()) {
      // In Python's order of keys; JavaScript puts those that look like numbers first, and writes what it has.
      expect([read[index]?.same_repr, message.argsrepr]).toEqual([true, message.argsrepr]);
    }
  });
});

needs(describe, noPython)('we read what Python Celery writes', () => {
  it.each([
    ['json', null],
    ['yaml', null],
    ['msgpack', null],
    ['json', 'zlib'],
    ['json', 'bzip2'],
  ])('random arguments, %s, compression %s', async (serializer, compression) => {
    interface Written {
      body: string;
      content_type: string;
      content_encoding: string;
      headers: Record<string, unknown>;
      args: unknown;
      kwargs: unknown;
    }
    const [answer] = await peer.ask<Written[]>([{ op: 'write', seed, count, serializer, compression }]);
    if (answer === undefined || 'error' in answer) throw new Error(`seed ${seed}: ${answer?.error}`);
    for (const written of answer.ok) {
      const decoded = decodeTask(
        {
          body: Buffer.from(written.body, 'base64'),
          contentType: written.content_type,
          contentEncoding: written.content_encoding,
          headers: written.headers,
          properties: {
            correlationId: null,
            replyTo: null,
            priority: 0,
            deliveryMode: 2,
            expiration: null,
            deliveryTag: null,
            deliveryInfo: { exchange: '', routing_key: 'celery' },
            other: {},
          },
        },
        { accept: ['json', 'yaml', 'msgpack'], acceptCompression: ['zlib', 'bzip2'] },
      );
      if (!decoded.ok) throw new Error(`seed ${seed}: ${decoded.refusal.detail}`);
      expect(unordered(canonical(decoded.value.args)), `seed ${seed}`).toEqual(unordered(written.args));
      expect(unordered(canonical(decoded.value.kwargs)), `seed ${seed}`).toEqual(unordered(written.kwargs));
    }
  });
});

needs(describe, noPython)('Python Celery reads our results', () => {
  class ShopError extends Error {}
  class KeyError extends Error {}

  const failed = (error: unknown): string => {
    const { exception, traceback } = encodeException(error);
    return writeResult({
      taskId: 'id-1',
      status: 'FAILURE',
      result: exception,
      traceback,
      children: [],
      dateDone: new Date(),
    });
  };
  const exceptionOf = async (error: unknown): Promise<unknown> => {
    const [answer] = await peer.ask<{ map: [string, unknown][] }>([{ op: 'result', text: failed(error) }]);
    if (answer === undefined || 'error' in answer) throw new Error(answer?.error);
    return answer.ok.map.find(([key]) => key === 'result')?.[1];
  };
  const python = (name: string, module: string, ...args: unknown[]) =>
    canonical({ class: name, module, args, exception: true });

  it.each<[string, unknown, unknown]>([
    ['an Error of JavaScript', new Error('no'), python('Error', 'celery.exceptions', 'no')],
    ['a TypeError', new TypeError('no'), python('TypeError', 'builtins', 'no')],
    ['a class of the user', new ShopError('sold out'), python('ShopError', 'celery.exceptions', 'sold out')],
    ['a class named like one of Python', new KeyError('k'), python('KeyError', 'builtins', 'k')],
    [
      'the soft time limit',
      new SoftTimeLimitExceeded(3),
      python('SoftTimeLimitExceeded', 'billiard.exceptions'),
    ],
    ['the hard time limit', new TimeLimitExceeded(3), python('TimeLimitExceeded', 'billiard.exceptions', 3)],
    [
      'an unknown task',
      new UnknownTaskError('shop.ad', undefined),
      python('NotRegistered', 'celery.exceptions', 'shop.ad'),
    ],
    [
      'a revoked task',
      new TaskRevokedError('id', 'expired'),
      python('TaskRevokedError', 'celery.exceptions', 'expired'),
    ],
    ['something thrown that is no error', { code: 1 }, python('Error', 'celery.exceptions', { code: 1 })],
  ])('%s', async (_, error, expected) => {
    expect(await exceptionOf(error)).toEqual(expected);
  });

  it('random results', async () => {
    const values = fc.sample(jsonValue, count);
    const answers = await peer.ask<{ map: [string, unknown][] }>(
      values.map((result) => ({
        op: 'result',
        text: writeResult({
          taskId: 'id-1',
          status: 'SUCCESS',
          result,
          traceback: null,
          children: [],
          dateDone: new Date(),
        }),
      })),
    );
    for (const [index, answer] of answers.entries()) {
      if ('error' in answer) throw new Error(answer.error);
      expect(unordered(answer.ok.map.find(([key]) => key === 'result')?.[1])).toEqual(
        unordered(canonical(values[index])),
      );
    }
  });

  it('the repr of random values', async () => {
    const values = fc
      .sample(plainValue.filter(noLoneSurrogates), count)
      .filter((value) => saferepr(value).length < 900);
    const answers = await peer.ask<string>(values.map((value) => ({ op: 'repr', value: encodeJson(value) })));
    expect(answers.map((answer) => ('ok' in answer ? answer.ok : answer.error))).toEqual(
      values.map((value) => saferepr(value)),
    );
  });
});

function noLoneSurrogates(value: unknown): boolean {
  return !/\\ud[89a-f]/i.test(JSON.stringify(value));
}
