import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  BrokerUnavailable,
  ResultBackendDisabledError,
  TaskFailedError,
  TaskRevokedError,
  TimeoutError,
} from '../../src/errors.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { AsyncResult, GroupResult } from '../../src/results/async-result.ts';
import type { ResultBackend } from '../../src/stores/backend.ts';
import { openMemoryBackend } from '../../src/stores/memory/memory-backend.ts';
import { scaled } from '../run/scale.ts';
import { patience } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';

let backend: ResultBackend;
beforeEach(() => {
  backend = openMemoryBackend('async-result', { expiresMs: 60_000 });
});
afterEach(() => backend.close());

function put(status: string, changes: Partial<ResultRecord> = {}): Promise<void> {
  const base = { taskId: 'a', result: null, traceback: null, children: [], dateDone: null };
  return backend.put({ ...base, status, ...changes });
}

const failure = {
  result: { exc_type: 'ValueError', exc_message: ['deliberate', 42], exc_module: 'builtins' },
  traceback: 'Traceback (most recent call last):\n  File "tasks.py", line 3',
};

test("state, result and dateDone are Celery's names for what is known now", async () => {
  const result = new AsyncResult('a', backend);
  expect([await result.state(), await result.result(), await result.dateDone()]).toEqual([
    'PENDING',
    null,
    null,
  ]);
  const dateDone = new Date(1_700_000_000_000);
  await put('SUCCESS', { result: 5, dateDone });
  expect([await result.state(), await result.result(), await result.dateDone()]).toEqual([
    'SUCCESS',
    5,
    dateDone,
  ]);
});

test("a result travels as Celery's tuple, and is made of it again", async () => {
  const app = await newApp('memory');
  const add = app.task('add', (x: number, y: number) => x + y);
  const sends = app.task('sends', async () => ({
    inner: await add.delay(2, 3),
    list: [await add.delay(3, 4)],
  }));
  const isTuple = app.task('is_tuple', (value: unknown) => Array.isArray(value));
  const outer = app.task('outer', () => add.delay(1, 1));
  await startWorker(app);
  const tuple = await (await outer.delay()).get(patience);
  expect(tuple).toEqual([[expect.any(String), null], null]);
  expect(await app.resultFromTuple(tuple).get(patience)).toBe(2);
  const sent = await sends.delay();
  const { inner, list } = await sent.get(patience);
  expect(await app.resultFromTuple(inner).get(patience)).toBe(5);
  expect(await app.resultFromTuple(list[0]).get(patience)).toBe(7);
  expect(await (await isTuple.delay(sent)).get(patience)).toBe(true);
  const inPlace = await outer.apply([]);
  expect(await inPlace.get()).toEqual([[expect.any(String), null], null]);
  const both = app.resultFromTuple([
    ['g', [['p', null], null]],
    [
      [['a', null], null],
      ['b', null],
    ],
  ]);
  expect(both).toBeInstanceOf(GroupResult);
  expect([both.id, both.parent?.id, (await both.children()).map(({ id }) => id)]).toEqual([
    'g',
    'p',
    ['a', 'b'],
  ]);
  for (const none of [null, 5, 'a', {}, [], [[]], [[1, null], null]])
    expect(() => app.resultFromTuple(none)).toThrow(/this is no result's tuple/);
});

test('get waits for the value, and tells of each state on the way', async () => {
  const seen: [string, unknown][] = [];
  const onProgress = (record: ResultRecord): void => {
    seen.push([record.status, record.result]);
    void (record.status === 'PROGRESS'
      ? put('SUCCESS', { result: 5 })
      : put('PROGRESS', { result: { done: 1 } }));
  };
  const value = new AsyncResult<number>('a', backend).get({ ...patience, onProgress });
  await put('STARTED');
  expect(await value).toBe(5);
  expect(seen).toEqual([
    ['STARTED', null],
    ['PROGRESS', { done: 1 }],
  ]);
});

test("a failed task's get throws an error with the remote type, message and stack", async () => {
  await put('FAILURE', failure);
  const error = await new AsyncResult('a', backend).get().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TaskFailedError);
  expect(error).toMatchObject({ taskId: 'a', remoteType: 'ValueError', remoteStack: failure.traceback });
  expect((error as TaskFailedError).remoteMessage).toContain('deliberate');
  const result = new AsyncResult('a', backend);
  expect(await result.get({ propagate: false })).toBeInstanceOf(TaskFailedError);
  expect(await result.info()).toBeInstanceOf(TaskFailedError);
  expect(await result.traceback()).toBe(failure.traceback);
  expect([await result.ready(), await result.failed(), await result.successful()]).toEqual([
    true,
    true,
    false,
  ]);
});

test('a revoked task throws with its reason', async () => {
  const result = { exc_type: 'TaskRevokedError', exc_message: ['expired'], exc_module: 'celery.exceptions' };
  await put('REVOKED', { result });
  await expect(new AsyncResult('a', backend).get()).rejects.toMatchObject({ reason: 'expired' });
  await expect(new AsyncResult('a', backend).get()).rejects.toBeInstanceOf(TaskRevokedError);
});

test('get with a timeout of months does not give up at once', async () => {
  const signal = AbortSignal.timeout(30);
  const waiting = new AsyncResult('patient', backend).get({ timeout: '90d', signal });
  await expect(waiting).rejects.toMatchObject({ name: 'TimeoutError', code: 23 }); // the signal's, not ours
});

test('get gives up after its timeout, in seconds or as text, and says that the task may still run', async () => {
  const result = new AsyncResult('nobody', backend);
  await expect(result.get({ timeout: 0.01 })).rejects.toThrow(TimeoutError);
  await expect(result.get({ timeout: '10ms' })).rejects.toThrow(/0\.01 s; it may still run/);
});

test('get ends with the reason of its signal', async () => {
  const abort = new AbortController();
  const waiting = new AsyncResult('nobody', backend).get({ signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(new AsyncResult('nobody', backend).get({ signal: abort.signal })).rejects.toThrow('enough');
});

test('a store that closes ends the wait', async () => {
  const waiting = new AsyncResult('nobody', backend).get();
  await Promise.resolve();
  await backend.close();
  await expect(waiting).rejects.toThrow(/closed/);
});

test('an unknown task is PENDING and does not exist; a sent one is PENDING and does', async () => {
  const result = new AsyncResult('a', backend);
  expect([await result.status(), await result.exists(), await result.info()]).toEqual([
    'PENDING',
    false,
    null,
  ]);
  await put('PENDING');
  expect([await result.status(), await result.exists()]).toEqual(['PENDING', true]);
});

test('a forgotten result is gone: its task is PENDING again, and get waits', async () => {
  await put('SUCCESS', { result: 1 });
  const result = new AsyncResult('a', backend);
  expect([await result.forget(), await result.exists(), await result.forget()]).toEqual([true, false, false]);
  expect(await result.status()).toBe('PENDING');
  await expect(result.get({ timeout: 0.01 })).rejects.toThrow(TimeoutError);
});

test("children are the results of the calls that the task sent, as Celery's tuples name them", async () => {
  await put('SUCCESS', { children: [[['child', null], null]] });
  const result = new AsyncResult('a', backend);
  const [child, ...others] = await result.children();
  expect([child?.id, child?.parent, others]).toEqual(['child', result, []]);
});

test('an application without a backend says so', async () => {
  await expect(new AsyncResult('a', null).get()).rejects.toThrow(ResultBackendDisabledError);
  await expect(new AsyncResult('a', null).status()).rejects.toThrow(ResultBackendDisabledError);
});

test('what is asked of a store that does not answer ends after its timeout, and is no PENDING', async () => {
  const silent: ResultBackend = Object.create(backend, { get: { value: () => new Promise(() => {}) } });
  const result = new AsyncResult('a', silent);
  const away = new BrokerUnavailable('the result backend has not answered within 0.01 s');
  await expect(result.record({ timeout: 0.01 })).rejects.toThrow(away);
  await expect(result.status({ timeout: '10ms' })).rejects.toThrow(away);
  await expect(result.info({ timeout: 0.01 })).rejects.toThrow(away);
  await expect(new GroupResult('g', [result], silent).status({ timeout: 0.01 })).rejects.toThrow(away);
  await expect(result.record({ timeout: 'soon' as never })).rejects.toThrow(/timeout/); // not a duration

  await put('SUCCESS', { result: 1 });
  expect((await new AsyncResult('a', backend).record({ timeout: 60 }))?.result).toBe(1);
});

test('thousands may wait at once', async () => {
  const ids = Array.from({ length: scaled(3000, 10_000) }, (_, n) => `t${n}`);
  const values = Promise.all(ids.map((id) => new AsyncResult<number>(id, backend).get(patience)));
  await Promise.all(ids.map((taskId, n) => put('SUCCESS', { taskId, result: n })));
  expect((await values).reduce((sum, n) => sum + n, 0)).toBe((ids.length * (ids.length - 1)) / 2);
});
