// What may be said of a call, as the other side reads it.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { App, type SendOptions } from '../../../src/index.ts';
import { Worker } from '../../../src/worker/worker.ts';
import type { Pair } from '../harness/pair.ts';
import { PythonWorker } from '../harness/python-worker.ts';

type Fields = Readonly<Record<string, unknown>>;

export function callCases(pair: () => Pair): void {
  test('Python reads what TypeScript says of a call', async () => {
    const { app } = pair();
    const expires = new Date(Date.now() + 60_000);
    const result = await app.send<Fields>('py.request', [1, 'ä'], {
      kwargs: { k: null },
      taskId: `chosen by TypeScript ${process.pid}`,
      expires,
      headers: { tenant: 'Ümlaut', nested: { a: [1] } },
      timeLimit: 40,
      softTimeLimit: 30,
      shadow: 'another name',
      groupId: 'g-1',
      groupIndex: 3,
      priority: 6,
    });
    expect(result.id).toBe(`chosen by TypeScript ${process.pid}`);
    expect(await result.get({ timeout: 10 })).toMatchObject({
      id: result.id,
      task: 'py.request',
      root_id: result.id,
      parent_id: null,
      group: 'g-1',
      group_index: 3,
      retries: 0,
      eta: null,
      expires: expires.toISOString().replace('Z', '000+00:00'),
      tenant: 'Ümlaut', // Celery 5.2 makes headers attributes of the request; later versions have them in `headers`, too
      timelimit: [40, 30],
      correlation_id: result.id,
      origin: expect.stringMatching(/^gen\d+@/),
      argsrepr: "(1, 'ä')",
      kwargsrepr: "{'k': None}",
      shadow: 'another name',
      ignore_result: false,
      delivery_info: { exchange: '', routing_key: 'py', priority: 6 },
      args: [1, 'ä'],
      kwargs: { k: null },
      lang: 'js',
    });
  });

  test('TypeScript reads what Python says of a call', async () => {
    const { python } = pair();
    const id = await python.send('ts.request', {
      args: '(1, "ä")',
      options: `dict(task_id="chosen by Python ${process.pid}", expires=60, headers={"tenant": "Ümlaut", "nested": {"a": [1]}},
        time_limit=40, soft_time_limit=30, shadow="another name", group_id="g-1", group_index=3, priority=6)`,
    });
    expect(id).toBe(`chosen by Python ${process.pid}`);
    const outcome = await python.get(id);
    expect(outcome.error).toBeUndefined();
    expect(outcome).toHaveProperty('value', {
      id,
      task: 'ts.request',
      root_id: id,
      parent_id: null,
      group: 'g-1',
      group_index: 3,
      retries: 0,
      eta: null,
      expires: expect.stringMatching(/^20\d\d-/),
      headers: { tenant: 'Ümlaut', nested: { a: [1] } },
      timelimit: [40, 30],
      correlation_id: id,
      reply_to: expect.any(String),
      origin: expect.stringMatching(/^gen\d+@/),
      argsrepr: "(1, 'ä')",
      kwargsrepr: '{}',
      shadow: 'another name',
      ignore_result: false,
      priority: 6,
      queue: 'ts',
      args: [1, 'ä'],
      kwargs: {},
      at: expect.any(Number),
    });
  });

  test('Python that still speaks protocol 1 is understood, and answered', async () => {
    const { python } = pair();
    await python.eval('setattr(app.amqp, "create_task_message", app.amqp.task_protocols[1])');
    try {
      expect(await python.call('ts.add', { args: '(2, 3)' })).toBe(5);
      expect(await python.call('ts.greet', { kwargs: 'dict(name="Ann")' })).toBe('Hello, Ann.');
      const before = Date.now() / 1000 + 0.5;
      const seen = await python.call('ts.request', { options: 'dict(countdown=0.5, task_id="v1")' });
      expect(seen).toMatchObject({ id: 'v1', root_id: 'v1', task: 'ts.request' });
      expect((seen as { at: number }).at).toBeGreaterThanOrEqual(before);
    } finally {
      await python.eval('setattr(app.amqp, "create_task_message", app.amqp.task_protocols[2])');
    }
  });

  test('a task that TypeScript sends from inside a Python-sent task is its child, in both languages', async () => {
    const { app, python, servers } = pair();
    const id = await python.send('ts.call', {
      args: '("py.request", [])',
      options: 'dict(root_id="the root")',
    });
    const outcome = await python.get(id);
    if (outcome.error !== undefined) throw new Error(outcome.error.text);
    const child = String(outcome.value);
    if (servers.sharedResults) {
      expect(await app.result(child).get({ timeout: 10 })).toMatchObject({
        parent_id: id,
        root_id: 'the root',
      });
      expect((await app.result(id).children()).map((result) => result.id)).toEqual([child]);
    }
    expect(await python.meta(id)).toMatchObject({ children: [child] });
  });

  test('a task that Python sends from inside a TypeScript-sent task is its child, in both languages', async () => {
    const { app, python, servers } = pair();
    const result = await app.send<string>('py.call', ['ts.request'], { rootId: 'the root' });
    const child = await result.get({ timeout: 10 });
    expect((await result.children()).map((each) => each.id)).toEqual([child]);
    if (!servers.sharedResults) return;
    expect(await app.result(child).get({ timeout: 10 })).toMatchObject({
      parent_id: result.id,
      root_id: 'the root',
    });
    expect(await python.meta(result.id)).toMatchObject({ children: [child] });
  });

  test('messages are counted by whoever looks into the broker, as those of Python are', async () => {
    const { app, python, servers } = pair();
    await app.send('any.task', [1], { queue: 'idle' });
    await python.send('any.task', { options: 'dict(queue="idle")' });
    await app.send('any.task', [3], { queue: 'idle' });
    expect(servers.waiting('idle')).toBe(3);
  });

  test('TypeScript takes what Python sent in order of priority', async () => {
    const { python, served, folder, servers } = pair();
    const priorities = [5, 0, 9, 3, 7];
    for (const priority of priorities) {
      const args = `("${folder}", "ts ${priority}")`;
      await python.send('both.order', { args, options: `dict(queue="order-ts", priority=${priority})` });
    }
    const last = await python.send('both.order', {
      args: `("${folder}", "ts last")`,
      options: `dict(queue="order-ts", priority=${9 - servers.mostUrgent})`,
    });
    await using worker = new Worker(served, { queues: ['order-ts'], concurrency: 1, name: 'order@%h' });
    await worker.start();
    await python.get(last);
    expect(orderIn(folder, 'ts')).toEqual([...byUrgency(servers.mostUrgent, priorities), 'last']);
  });

  test('Python takes what TypeScript sent in order of priority', async () => {
    const { app, folder, servers } = pair();
    const priorities = [5, 0, 9, 3, 7];
    const send = (label: unknown, priority: number) =>
      app.send('both.order', [folder, `py ${label}`], { queue: 'order-py', priority });
    for (const priority of priorities) await send(priority, priority);
    const last = await send('last', 9 - servers.mostUrgent);
    await using _ = await PythonWorker.start({
      settings: servers.python,
      queues: ['order-py'],
      name: 'order@%h',
    });
    await last.get({ timeout: 10 });
    expect(orderIn(folder, 'py')).toEqual([...byUrgency(servers.mostUrgent, priorities), 'last']);
  });

  test('priorities by name mean the same to Python', async () => {
    const { folder, servers } = pair();
    const named = new App('named', { ...servers.typescript, taskDefaultPriority: 'normal' });
    try {
      const send = (label: string, options: SendOptions = {}) =>
        named.send('both.order', [folder, `name ${label}`], { queue: 'order-names', ...options });
      const sent = [
        await send('low', { priority: 'low' }),
        await send('normal', { priority: 'normal' }),
        await send('nothing said'),
        await send('urgent', { priority: 'urgent' }),
        await send('high', { priority: 'high' }),
      ];
      await using _ = await PythonWorker.start({
        settings: servers.python,
        queues: ['order-names'],
        name: 'names@%h',
      });
      await Promise.all(sent.map((result) => result.get({ timeout: 10 })));
      expect(orderIn(folder, 'name')).toEqual(['urgent', 'high', 'normal', 'nothing said', 'low']);
    } finally {
      await named.close();
    }
  });
}

/** What the tasks of one language wrote down, in order. */
function orderIn(folder: string, prefix: string): string[] {
  const lines = readFileSync(`${folder}/order`, 'utf8').trimEnd().split('\n');
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length + 1));
}

/** Redis has the four steps 0, 3, 6 and 9; within one, first in, first out. RabbitMQ has all ten. */
function byUrgency(mostUrgent: 0 | 9, priorities: readonly number[]): string[] {
  const rank = (priority: number): number => (mostUrgent === 9 ? 9 - priority : Math.floor(priority / 3));
  return [...priorities].sort((a, b) => rank(a) - rank(b)).map(String);
}
