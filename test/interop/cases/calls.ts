// What may be said of a call, as the other side reads it.
import { expect, test } from 'vitest';
import { workerDirect } from '../../../src/index.ts';
import { nodeName } from '../../../src/worker/node-name.ts';
import { patience, until } from '../../until.ts';
import type { Pair } from '../harness/pair.ts';

type Fields = Readonly<Record<string, unknown>>;

export function callCases(pair: () => Pair): void {
  test('Python reads what TypeScript says of a call', async () => {
    const { app } = pair();
    const expires = new Date(Date.now() + 3_600_000);
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
    expect(await result.get(patience)).toMatchObject({
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
      options: `dict(task_id="chosen by Python ${process.pid}", expires=3600, headers={"tenant": "Ümlaut", "nested": {"a": [1]}},
        time_limit=40, soft_time_limit=30, shadow="another name", group_id="g-1", group_index=3, priority=6, app_id="1234")`,
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
      properties: expect.objectContaining({
        app_id: '1234',
        correlation_id: id,
        reply_to: expect.any(String),
        delivery_mode: 2,
        priority: 6,
        delivery_info: expect.objectContaining({ routing_key: 'ts' }),
      }),
      delivery_info: { exchange: expect.any(String), routingKey: 'ts', priority: 6, redelivered: false },
      args: [1, 'ä'],
      kwargs: {},
      at: expect.any(Number),
    });
  });

  test('a task can be sent to one worker alone, whichever language it and its sender speak', async () => {
    const { app, python } = pair();
    const [ours, theirs] = [nodeName('typescript@%h'), nodeName('python@%h')];
    const sent = await app.send<Fields>('py.request', [], { queue: workerDirect(theirs) });
    expect(await sent.get(patience)).toMatchObject({ delivery_info: { routing_key: `${theirs}.dq2` } });
    // Added to its queues, so that it is declared as its workers do: with the priorities that these have.
    const direct = `app.amqp.queues.add(__import__("celery.utils", fromlist=["utils"]).worker_direct("${ours}"))`;
    const seen = await python.call('ts.request', { options: `dict(queue=${direct})` });
    expect(seen).toMatchObject({ queue: `${ours}.dq2` });
    // By the exchange, too.
    const routed = await app.send<Fields>('ts.request', [], { exchange: 'C.dq2', routingKey: ours });
    expect(await routed.get(patience)).toMatchObject({ queue: `${ours}.dq2` });
  });

  test('Python that still speaks protocol 1 is understood, and answered', async () => {
    const { python } = pair();
    await python.eval('setattr(app.amqp, "create_task_message", app.amqp.task_protocols[1])');
    try {
      expect(await python.call('ts.add', { args: '(2, 3)' })).toBe(5);
      expect(await python.call('ts.greet', { kwargs: 'dict(name="Ann")' })).toBe('Hello, Ann.');
      const before = Date.now() / 1000 + 0.5;
      const id = `v1-${crypto.randomUUID()}`;
      const seen = await python.call('ts.request', { options: `dict(countdown=0.5, task_id="${id}")` });
      expect(seen).toMatchObject({ id, root_id: id, task: 'ts.request' });
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
      expect(await app.result(child).get(patience)).toMatchObject({
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
    const child = await result.get(patience);
    expect((await result.children()).map((each) => each.id)).toEqual([child]);
    if (!servers.sharedResults) return;
    expect(await app.result(child).get(patience)).toMatchObject({
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
    // Python does not wait for RabbitMQ to have it.
    await until(async () => (await servers.waiting('idle')) >= 3);
    expect(await servers.waiting('idle')).toBe(3);
  });
}
