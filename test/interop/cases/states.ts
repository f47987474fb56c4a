// States and results, as the other side reads them.
import { expect, test } from 'vitest';
import { patience } from '../../until.ts';
import type { Pair } from '../harness/pair.ts';
import { PythonProcess } from '../harness/python-process.ts';

/** Why there is nothing to be seen. */
const notShared = 'by rpc results are for those who sent the call';

export function stateCases(pair: () => Pair): void {
  test("a Python task's own state is seen in TypeScript while it runs", async () => {
    const gate = pair().gate();
    const result = await pair().app.send('py.progress', [gate.path]);
    const record = await pair().seen(result, ({ status }) => status === 'PROGRESS');
    expect(record.result).toEqual({ done: 3, total: 7 });
    expect(await result.info()).toEqual({ done: 3, total: 7 });
    gate.open();
    expect(await result.get(patience)).toBe('done');
  });

  test("a TypeScript task's own state is seen in Python while it runs", async () => {
    const { python, app, servers } = pair();
    const gate = pair().gate();
    const id = await python.send('ts.progress', { args: `("${gate.path}",)` });
    if (!servers.sharedResults) {
      const told = await python.eval(`watch("${id}", "${gate.path}")`);
      expect(told).toEqual([
        ['PROGRESS', { done: 3, total: 7 }],
        ['SUCCESS', 'done'],
      ]);
      return;
    }
    await pair().seen(app.result(id), ({ status }) => status === 'PROGRESS');
    expect(await python.meta(id)).toMatchObject({
      state: 'PROGRESS',
      ready: false,
      info: { done: 3, total: 7 },
      date_done: null,
    });
    gate.open();
    expect(await python.get(id)).toEqual({ state: 'SUCCESS', value: 'done' });
  });

  test('a result that a task returns is one again on the other side', async ({ skip }) => {
    const { python, app, servers } = pair();
    if (!servers.sharedResults) return skip('by rpc only the task itself could read it');
    const sent = await app.send('py.sends');
    const inner = app.resultFromTuple<number>(await sent.get(patience));
    expect(await inner.get(patience)).toBe(5);
    expect((await sent.children()).map(({ id }) => id)).toEqual([inner.id]);
    const value = await python.call('ts.sends');
    expect(value).toEqual([[expect.any(String), null], null]);
    const again = `__import__("celery.result", fromlist=["result"]).result_from_tuple(${JSON.stringify(value).replaceAll('null', 'None')}, app)`;
    expect(await python.eval(`${again}.get(timeout=${patience.timeout})`)).toBe(5);
  });

  test('a task that has begun says so on the other side, with its worker', async () => {
    const { python, app, servers } = pair();
    const gate = pair().gate();
    const result = await app.send('py.wait', [gate.path]);
    const record = await pair().seen(result, ({ status }) => status === 'STARTED');
    expect(record.result).toMatchObject({
      pid: expect.any(Number),
      hostname: expect.stringMatching(/^python@/),
    });
    const id = await python.send('ts.wait', { args: `("${gate.path}",)` });
    if (servers.sharedResults) {
      await pair().seen(app.result(id), ({ status }) => status === 'STARTED');
      expect(await python.meta(id)).toMatchObject({
        state: 'STARTED',
        info: { pid: process.pid, hostname: expect.stringMatching(/^typescript@/) },
      });
    }
    gate.open();
    expect(await result.get(patience)).toBe('done');
    expect(await python.get(id)).toMatchObject({ value: 'done' });
  });

  test("Python's AsyncResult knows of a TypeScript task what it knows of its own", async () => {
    const { python } = pair();
    const id = await python.send('ts.add', { args: '(2, 3)' });
    await python.get(id);
    expect(await python.meta(id)).toEqual({
      state: 'SUCCESS',
      ready: true,
      successful: true,
      failed: false,
      info: 5,
      date_done: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/),
      traceback: null,
      children: [],
      parent: null,
      name: 'ts.add',
      args: [2, 3],
      kwargs: {},
      worker: expect.stringMatching(/^typescript@/),
      retries: 0,
      queue: 'ts',
    });
  });

  test("TypeScript's AsyncResult knows of a Python task what it knows of its own", async () => {
    const before = Date.now();
    const result = await pair().app.send('py.add', [2, 3]);
    await result.get(patience);
    const after = Date.now();
    const record = await result.record();
    expect(record).toMatchObject({
      taskId: result.id,
      status: 'SUCCESS',
      result: 5,
      traceback: null,
      children: [],
    });
    expect(await result.successful()).toBe(true);
    if (!pair().servers.sharedResults) return; // by rpc Celery tells no more
    expect(record).toMatchObject({
      name: 'py.add',
      args: [2, 3],
      kwargs: {},
      worker: expect.stringMatching(/^python@/),
      retries: 0,
      queue: 'py',
    });
    // In whatever zone it is written, it is a moment between those two.
    expect(record?.dateDone?.getTime()).toBeGreaterThanOrEqual(before);
    expect(after).toBeGreaterThanOrEqual(record?.dateDone?.getTime() ?? after + 1);
  });

  test('each side reads the results of calls that the other side sent', async ({ skip }) => {
    const { python, app, servers } = pair();
    if (!servers.sharedResults) return skip(notShared);
    const result = await app.send('py.add', [2, 3]);
    expect(await python.get(result.id)).toEqual({ state: 'SUCCESS', value: 5 });
    expect(await app.result(await python.send('ts.add', { args: '(2, 3)' })).get(patience)).toBe(5);
  });

  test("Celery's own command line sends to TypeScript, and reads its results", async ({ skip }) => {
    const { app, servers, settings } = pair();
    if (!servers.sharedResults) return skip(notShared);
    const celery = (...args: string[]): PythonProcess =>
      new PythonProcess('celery', ['-m', 'celery', '-A', 'interop_app', ...args], { settings });
    await using call = celery('call', 'ts.add', '--args', '[2, 3]');
    const id = await call.line();
    expect(await app.result(id).get(patience)).toBe(5);
    await using result = celery('result', id);
    expect(await result.line()).toBe('5');
  });

  test('a result that one side forgets is forgotten on the other', async ({ skip }) => {
    const { python, app, servers } = pair();
    if (!servers.sharedResults) return skip(notShared);
    const result = await app.send('py.add', [2, 3]);
    await result.get(patience);
    await python.forget(result.id);
    expect(await result.status()).toBe('PENDING'); // that it was sent may still be known here
    const id = await python.send('ts.add', { args: '(2, 3)' });
    await app.result(id).get(patience);
    expect(await app.result(id).forget()).toBe(true);
    expect(await python.eval(`app.AsyncResult("${id}").state`)).toBe('PENDING');
  });

  test('a call whose result nobody wants leaves none, on either side', async () => {
    const { python, app } = pair();
    const ignored = await app.send('py.add', [2, 3], { ignoreResult: true });
    const alsoIgnored = await python.send('ts.add', { args: '(2, 3)', options: 'dict(ignore_result=True)' });
    // Those that come after them in their queues have ended: so have they.
    await pair().callPython('py.sleep', [0.1]);
    await pair().callPython('py.sleep', [0.1]);
    await pair().callTypeScript('ts.sleep', { args: '(0.1,)' });
    expect(await ignored.status()).toBe('PENDING');
    expect(await python.meta(alsoIgnored)).toMatchObject({ state: 'PENDING', info: null });
  });
}
