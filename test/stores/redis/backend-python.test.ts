// Results in Redis between us and real Python Celery, both ways.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TaskFailedError, TaskRevokedError } from '../../../src/errors.ts';
import { encodeException } from '../../../src/protocol/exception.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import { AsyncResult } from '../../../src/results/async-result.ts';
import type { ResultBackend } from '../../../src/stores/backend.ts';
import { openRedisBackend } from '../../../src/stores/redis/redis-backend.ts';
import { PythonProcess } from '../../interop/harness/python-process.ts';
import { needs } from '../../needs.ts';
import { noPython } from '../../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patience, patienceMs } from '../../until.ts';

const done = new Date(1_700_000_000_123);

function record(taskId: string, status = 'SUCCESS', changes: Partial<ResultRecord> = {}): ResultRecord {
  const dateDone = ['SUCCESS', 'FAILURE', 'REVOKED'].includes(status) ? done : null;
  return { taskId, status, result: 5, traceback: null, children: [], dateDone, ...changes };
}

needs(describe, noRedis || noPython)('results in Redis, with Python Celery', () => {
  let server: RedisServerProcess;
  let backend: ResultBackend;
  let python: Python;
  beforeAll(async () => {
    server = await RedisServerProcess.start();
    backend = await openRedisBackend(server.url(3), { expiresMs: 3_600_000 });
    python = new Python({ result_backend: server.url(3), result_expires: 3600, result_extended: true });
    await python.ask({ op: 'forget', id: 'warm' });
  });
  afterAll(async () => {
    await python[Symbol.asyncDispose]();
    await backend.close();
    await server[Symbol.asyncDispose]();
  });

  describe('what we write, Python reads', () => {
    test.each([
      ['a number', 5, { int: '5' }],
      ['text', 'größer 🌱\n', { text: 'größer 🌱\n' }],
      ['nothing', null, null],
      [
        'a tree',
        { list: [1, 'zwei', true, null] },
        {
          map: [['list', { list: [{ int: '1' }, { text: 'zwei' }, true, null] }]],
        },
      ],
      ['a big integer', 2n ** 70n, { int: String(2n ** 70n) }],
      ['a float', 0.1, { float: '3fb999999999999a' }],
    ])('%s, by AsyncResult.get', async (what, value, canonical) => {
      const id = `to-python-${what}`;
      await backend.put(record(id, 'SUCCESS', { result: value }));
      expect(await python.ask({ op: 'wait', id, seconds: patience.timeout })).toEqual({ value: canonical });
    });

    test('all that is known of a task, by its fields', async () => {
      await backend.put(
        record('fields', 'SUCCESS', {
          children: [
            [['child-1', null], null],
            [['child-2', null], null],
          ],
          groupId: 'group',
          parentId: 'parent',
          name: 'shop.add',
          args: [1, 'zwei'],
          kwargs: { drei: 3 },
          worker: 'umbel@here',
          retries: 2,
          queue: 'slow',
        }),
      );
      expect(await python.ask({ op: 'look', id: 'fields' })).toEqual({
        state: 'SUCCESS',
        ready: true,
        successful: true,
        failed: false,
        info: '5',
        traceback: null,
        date_done: '2023-11-14T22:13:20.123000+00:00',
        children: ['child-1', 'child-2'],
        name: 'shop.add',
        args: [1, 'zwei'],
        kwargs: { drei: 3 },
        worker: 'umbel@here',
        retries: 2,
        queue: 'slow',
        group: 'group',
        parent: 'parent',
      });
    });

    test('an error of ours is raised there, with its name, message and stack', async () => {
      const { exception, traceback } = encodeException(new RangeError('too far'));
      await backend.put(record('thrown', 'FAILURE', { result: exception, traceback }));
      const raised = await python.ask({ op: 'wait', id: 'thrown', seconds: patience.timeout });
      expect(raised).toMatchObject({ error: 'RangeError', args: { list: [{ text: 'too far' }] } });
      expect(await python.ask({ op: 'look', id: 'thrown' })).toMatchObject({
        state: 'FAILURE',
        failed: true,
        traceback: expect.stringContaining('RangeError: too far'),
      });
    });

    test('an error of a type that Python has is raised as that', async () => {
      const result = { exc_type: 'ValueError', exc_message: ['no', 42], exc_module: 'builtins' };
      await backend.put(record('value-error', 'FAILURE', { result }));
      expect(await python.ask({ op: 'wait', id: 'value-error', seconds: patience.timeout })).toMatchObject({
        error: 'ValueError',
        module: 'builtins',
        args: { list: [{ text: 'no' }, { int: '42' }] },
      });
    });

    test('a revoked task raises TaskRevokedError', async () => {
      const result = {
        exc_type: 'TaskRevokedError',
        exc_message: ['revoked'],
        exc_module: 'celery.exceptions',
      };
      await backend.put(record('revoked', 'REVOKED', { result }));
      expect(await python.ask({ op: 'wait', id: 'revoked', seconds: patience.timeout })).toMatchObject({
        error: 'TaskRevokedError',
        module: 'celery.exceptions',
      });
    });

    test.each([
      ['PENDING', null],
      ['STARTED', { pid: 1, hostname: 'umbel@here' }],
      ['PROGRESS', { done: 3, total: 7 }],
    ])('the state %s and its meta', async (state, meta) => {
      await backend.put(record(`state-${state}`, state, { result: meta }));
      expect(await python.ask({ op: 'look', id: `state-${state}` })).toMatchObject({
        state,
        ready: false,
        date_done: null,
        info: meta === null ? 'None' : expect.stringMatching(/^\{'/),
      });
    });

    test('who waits there is woken by our publication', async () => {
      const waiting = python.ask({ op: 'wait', id: 'woken', seconds: patience.timeout });
      await expect.poll(() => server.cli('PUBSUB', 'CHANNELS')).toContain('celery-task-meta-woken');
      await backend.put(record('woken', 'PROGRESS', { result: 1 }));
      await backend.put(record('woken', 'SUCCESS', { result: 'good morning' }));
      expect(await waiting).toEqual({ value: { text: 'good morning' } });
    });

    test('what Python forgets is gone here', async () => {
      await backend.put(record('forgotten'));
      await python.ask({ op: 'forget', id: 'forgotten' });
      expect(await backend.get('forgotten')).toBeUndefined();
    });
  });

  describe('what Python writes, we read', () => {
    const write = (id: string, state: string, result: string, more: object = {}): Promise<unknown> =>
      python.ask({ op: 'write', id, state, result, ...more });

    test.each([
      ['1 + 1', 2],
      ['[1, "zwei", None, True, {"drei": 0.5}]', [1, 'zwei', null, true, { drei: 0.5 }]],
      ['2 ** 70', 2n ** 70n],
      ['"größer 🌱"', 'größer 🌱'],
      ['float("nan")', Number.NaN],
      ['"x" * 1000000', 'x'.repeat(1_000_000)],
    ])('the value %s', async (expression, value) => {
      const id = `from-python-${expression}`;
      await write(id, 'SUCCESS', expression);
      expect(await new AsyncResult(id, backend).get(patience)).toEqual(value);
    });

    test('all that is known of a task', async () => {
      const before = Date.now();
      await write('all', 'SUCCESS', '5', { children: ['c1', 'c2'], group: 'group', parent: 'parent' });
      const kept = await backend.get('all');
      expect(kept).toMatchObject({
        taskId: 'all',
        status: 'SUCCESS',
        result: 5,
        traceback: null,
        groupId: 'group',
        parentId: 'parent',
        name: 'shop.add',
        args: [1, 'zwei'],
        kwargs: { drei: 3 },
        worker: 'celery@there',
        retries: 2,
        queue: 'slow',
      });
      // 5.2 writes UTC without saying so.
      expect(Math.abs((kept?.dateDone?.getTime() ?? 0) - before)).toBeLessThan(1_800_000);
      const children = await new AsyncResult('all', backend).children();
      expect(children.map(({ id }) => id)).toEqual(['c1', 'c2']);
    });

    test('an exception, with its type, arguments and traceback', async () => {
      await write('raised', 'FAILURE', 'ValueError("deliberate", 42)', { raise: true });
      const error = await new AsyncResult('raised', backend).get(patience).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TaskFailedError);
      expect(error).toMatchObject({
        remoteType: 'ValueError',
        remoteStack: expect.stringContaining('Traceback (most recent call last)'),
      });
      expect(String(error)).toContain('deliberate');
    });

    test('a revoked task, and a retry on the way', async () => {
      await write(
        'was-revoked',
        'REVOKED',
        '__import__("celery.exceptions").exceptions.TaskRevokedError("expired")',
      );
      await expect(new AsyncResult('was-revoked', backend).get(patience)).rejects.toThrow(TaskRevokedError);
      await write('retrying', 'RETRY', 'KeyError("later")', { raise: true });
      expect(await backend.get('retrying')).toMatchObject({
        status: 'RETRY',
        result: { exc_type: 'KeyError', exc_message: ['later'] },
        dateDone: null,
      });
    });

    test('states on the way, each seen by who waits', async () => {
      const seen: unknown[] = [];
      const waiting = new AsyncResult('progress', backend).get({
        ...patience,
        onProgress: ({ status, result }) => void seen.push([status, result]),
      });
      await expect.poll(() => server.cli('PUBSUB', 'CHANNELS')).toContain('celery-task-meta-progress');
      await write('progress', 'STARTED', '{"pid": 7, "hostname": "there"}');
      await expect.poll(() => seen.length).toBe(1);
      await write('progress', 'PROGRESS', '{"done": 3}');
      await expect.poll(() => seen.length).toBe(2);
      await write('progress', 'SUCCESS', '"end"');
      expect(await waiting).toBe('end');
      expect(seen).toEqual([
        ['STARTED', { pid: 7, hostname: 'there' }],
        ['PROGRESS', { done: 3 }],
      ]);
    });

    test('neither side overwrites a SUCCESS of the other', async () => {
      await write('first-python', 'SUCCESS', '"python"');
      await backend.put(record('first-python', 'SUCCESS', { result: 'umbel' }));
      expect((await backend.get('first-python'))?.result).toBe('python');
      await backend.put(record('first-umbel', 'SUCCESS', { result: 'umbel' }));
      await write('first-umbel', 'FAILURE', 'ValueError("late")');
      expect((await backend.get('first-umbel'))?.result).toBe('umbel');
    });

    test('both keep them equally long', async () => {
      await write('ttl', 'SUCCESS', '1');
      await backend.put(record('ttl-ours'));
      const [theirs, ours] = ['ttl', 'ttl-ours'].map((id) =>
        Number(server.cli('-n', '3', 'TTL', `celery-task-meta-${id}`)),
      );
      for (const left of [theirs, ours]) {
        expect(left).toBeGreaterThan(1800);
        expect(left).toBeLessThanOrEqual(3600);
      }
    });

    test('a record of Celery 3, which does not name its task', async () => {
      const text = '{"status": "SUCCESS", "traceback": null, "result": 3, "children": []}';
      server.cli('-n', '3', 'SET', 'celery-task-meta-old', text);
      expect(await new AsyncResult('old', backend).get(patience)).toBe(3);
    });
  });
});

class Python implements AsyncDisposable {
  readonly #process: PythonProcess;

  constructor(settings: Readonly<Record<string, unknown>>) {
    this.#process = new PythonProcess('the Python peer of results', ['redis_results.py'], { settings });
  }

  async ask(question: object): Promise<unknown> {
    this.#process.tell(JSON.stringify(question));
    const answer: unknown = JSON.parse(await this.#process.line(patienceMs));
    if (typeof answer === 'object' && answer !== null && 'ok' in answer) return answer.ok;
    throw new Error(JSON.stringify(answer));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
