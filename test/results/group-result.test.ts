import { afterEach, beforeEach, expect, test } from 'vitest';
import { SyncSubtaskError, TaskFailedError, TimeoutError } from '../../src/errors.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { AsyncResult, fromTuple, GroupResult, toTuple } from '../../src/results/async-result.ts';
import { type TaskScope, taskScope } from '../../src/results/task-scope.ts';
import type { ResultBackend } from '../../src/stores/backend.ts';
import { openMemoryBackend } from '../../src/stores/memory/memory-backend.ts';
import { patience } from '../until.ts';

let backend: ResultBackend;
beforeEach(() => {
  backend = openMemoryBackend('group-result', { expiresMs: 60_000 });
});
afterEach(() => backend.close());

function put(taskId: string, status: string, changes: Partial<ResultRecord> = {}): Promise<void> {
  const base = { result: null, traceback: null, children: [], dateDone: new Date() };
  return backend.put({ ...base, taskId, status, ...changes });
}

const failure = { result: { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' } };
const result = (id: string): AsyncResult => new AsyncResult(id, backend);
const groupOf = (...ids: string[]): GroupResult<number[]> => new GroupResult('g', ids.map(result), backend);

test('get gives the values in the order of the members, whichever ends first', async () => {
  const values = groupOf('a', 'b', 'c').get(patience);
  await put('c', 'SUCCESS', { result: 3 });
  await put('a', 'SUCCESS', { result: 1 });
  await put('b', 'SUCCESS', { result: 2 });
  expect(await values).toEqual([1, 2, 3]);
});

test('get fails with the first member that fails, or has the error in its place', async () => {
  const group = groupOf('a', 'b');
  const failing = group.get(patience);
  await put('b', 'FAILURE', failure);
  await expect(failing).rejects.toThrow(TaskFailedError);
  await put('a', 'SUCCESS', { result: 1 });
  expect(await group.get({ propagate: false })).toEqual([1, expect.any(TaskFailedError)]);
});

test('get gives up after its timeout, and when it is told to', async () => {
  await expect(groupOf('a', 'b').get({ timeout: 0.02 })).rejects.toThrow(TimeoutError);
  const stop = new AbortController();
  const waiting = groupOf('a').get({ signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test('its counts follow its members', async () => {
  const group = groupOf('a', 'b');
  expect([await group.waiting(), await group.ready(), await group.completedCount()]).toEqual([
    true,
    false,
    0,
  ]);
  await put('a', 'SUCCESS', { result: 1 });
  expect([await group.status(), await group.completedCount()]).toEqual(['PENDING', 1]);
  await put('b', 'FAILURE', failure);
  expect([await group.ready(), await group.failed(), await group.successful()]).toEqual([true, true, false]);
});

test('a loop over it takes the members as they end, and can be left', async () => {
  await put('b', 'SUCCESS', { result: 2 });
  const seen: string[] = [];
  for await (const ended of groupOf('a', 'b', 'c')) {
    seen.push(ended.id);
    if (ended.id === 'b') await put('c', 'FAILURE', failure);
    if (ended.id === 'c') break;
  }
  expect(seen).toEqual(['b', 'c']);
});

test('one that was saved is restored with its members, also those that are groups', async () => {
  const group = new GroupResult('g', [result('a'), new GroupResult('h', [result('b')], backend)], backend);
  await group.save();
  const restored = fromTuple(
    await backend.get('celery-taskset-meta-g').then((kept) => kept?.result),
    backend,
  );
  expect(restored).toBeInstanceOf(GroupResult);
  expect(toTuple(restored as GroupResult)).toEqual(toTuple(group));
  await put('a', 'SUCCESS');
  expect(await group.forget()).toBe(true);
  expect(await backend.get('a')).toBeUndefined();
  expect(await group.forget()).toBe(false);
});

test('of many members the values come, too', async () => {
  const ids = Array.from({ length: 3000 }, (_, index) => `m${index}`);
  const values = groupOf(...ids).get(patience);
  for (const [index, id] of ids.entries()) await put(id, 'SUCCESS', { result: index });
  expect(await values).toEqual(ids.map((_, index) => index));
});

test('inside of a task nobody waits for another one, unless it says so', async () => {
  await put('a', 'SUCCESS', { result: 1 });
  const outer: TaskScope = {
    name: 'outer',
    options: { trail: true },
    request: { id: 'outer', rootId: 'outer', priority: 0, children: [] },
  };
  await taskScope.run(outer, async () => {
    await expect(result('a').get()).rejects.toThrow(SyncSubtaskError);
    await expect(groupOf('a').get()).rejects.toThrow(/'outer' must not wait for/);
    expect(await groupOf('a').get({ allowSyncSubtasks: true })).toEqual([1]);
  });
});

test('the tree and the graph show what started what, once each', async () => {
  await put('root', 'SUCCESS', { name: 'shop.start', children: [[['g', null], [[['a', null], null]]]] });
  await put('a', 'SUCCESS', { result: 1, children: [[['body', null], null]] });
  await put('body', 'FAILURE', failure);
  const tree = await result('root').tree();
  expect(tree).toMatchObject({
    id: 'root',
    name: 'shop.start',
    children: [
      { id: 'g', kind: 'group', children: [{ id: 'a', children: [{ id: 'body', state: 'FAILURE' }] }] },
    ],
  });
  const body = new AsyncResult('body', backend, new GroupResult('g', [result('a')], backend, result('root')));
  const graph = await body.graph();
  expect(graph.nodes.map(({ id }) => id).sort()).toEqual(['a', 'body', 'g', 'root']);
  expect(graph.edges).toContainEqual(['root', 'g']);
  expect(graph.edges).toContainEqual(['a', 'body']);
  expect(graph.toDot()).toMatch(/^digraph results \{\n/);
  expect(graph.toDot()).toContain('"a" -> "body"');
  expect(JSON.parse(JSON.stringify(graph))).toMatchObject({
    nodes: expect.any(Array),
    edges: expect.any(Array),
  });
  const collected: unknown[] = [];
  for await (const [each, value] of result('root').collect({ propagate: false }))
    collected.push([each.id, value]);
  expect(collected.map((pair) => (pair as unknown[])[0])).toEqual(['root', 'g', 'a', 'body']);
});

test('revoke needs the application: a result that was made without one says so', async () => {
  await expect(groupOf('a').revoke()).rejects.toThrow('app.result(id)');
});
