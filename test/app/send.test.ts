import { hostname } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { App } from '../../src/app/app.ts';
import type { CallOptions } from '../../src/config/call-options.ts';
import type { AppOptions } from '../../src/config/config.ts';
import {
  AlreadyRegisteredError,
  ConfigError,
  InvalidArgumentsError,
  NotSerializableError,
  PayloadTooLargeError,
  ResultBackendDisabledError,
  UnknownOptionError,
} from '../../src/errors.ts';
import type { TaskMessage, WireMessage } from '../../src/protocol/message.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { patienceMs } from '../until.ts';

/** What a worker would take from these queues now, as it would read it. */
async function claimed(
  app: App,
  ...queues: string[]
): Promise<{ queue: string; wire: WireMessage; message: TaskMessage }[]> {
  const transport = await app.broker();
  await using consumer = await transport.consume({
    queues: queues.length === 0 ? ['celery'] : queues,
    name: 'test',
    leaseMs: 15_000,
  });
  const taken: { queue: string; wire: WireMessage; message: TaskMessage }[] = [];
  while (
    (await Promise.all(queues.concat('celery').map((queue) => transport.size(queue)))).some(
      ({ ready }) => ready > 0,
    )
  ) {
    for (const delivery of await consumer.claim(() => 1000, AbortSignal.timeout(patienceMs))) {
      if (!delivery.message.ok) throw new Error(delivery.message.refusal.detail);
      const message = decodeTask(delivery.message.value, { accept: ['json', 'yaml', 'msgpack'] });
      if (!message.ok) throw new Error(message.refusal.detail);
      taken.push({ queue: delivery.queue, wire: delivery.message.value, message: message.value });
      await delivery.settle({ kind: 'ack' });
    }
  }
  return taken;
}

let app: App;
beforeEach(() => {
  app = new App('test', { broker: 'memory://' });
});
afterEach(() => app.close());

function appWith(options: AppOptions): App {
  app = new App('test', { broker: 'memory://', ...options });
  return app;
}

describe('a call', () => {
  it('that is sent can be taken by a worker, as Celery would have written it', async () => {
    const add = app.task('shop.add', (x: number, y: number) => x + y);
    const result = await add.delay(2, 3);
    const [taken] = await claimed(app);
    expect(taken?.message).toEqual({
      id: result.id,
      task: 'shop.add',
      args: [2, 3],
      kwargs: {},
      embed: { callbacks: null, errbacks: null, chain: null, chord: null },
      lang: 'js',
      shadow: null,
      eta: null,
      expires: null,
      group: null,
      groupIndex: null,
      retries: 0,
      timeLimit: null,
      softTimeLimit: null,
      rootId: result.id,
      parentId: null,
      argsrepr: '(2, 3)',
      kwargsrepr: '{}',
      origin: `gen${process.pid}@${hostname()}`,
      ignoreResult: false,
      replacedTaskNesting: 0,
      stampedHeaders: null,
      stamps: {},
      headers: {},
      correlationId: result.id,
      replyTo: '',
      priority: 0,
      persistent: true,
    });
    expect(taken?.wire.properties.deliveryInfo).toMatchObject({ exchange: '', routing_key: 'celery' });
  });

  it('of a keyword task travels as keyword arguments, as they were given', async () => {
    const order = app.task(
      'order',
      { input: z.object({ id: z.string(), count: z.coerce.number().default(7) }) },
      () => 1,
    );
    await order.delay({ id: 'a' });
    await order.applyAsync({ id: 'b', count: '3' }, { priority: 9 });
    await app.send('order', [], { kwargs: { id: 'c' } });
    const taken = await claimed(app);
    expect(taken.map(({ message }) => [message.args, message.kwargs])).toEqual(
      expect.arrayContaining([
        [[], { id: 'a' }],
        [[], { id: 'b', count: '3' }],
        [[], { id: 'c' }],
      ]),
    );
  });

  it('by name needs no definition, and may mix arguments', async () => {
    const result = await app.send('ml.predict', ['text'], { kwargs: { top: 3 }, queue: 'ml' });
    const [taken] = await claimed(app, 'ml');
    expect(taken).toMatchObject({
      queue: 'ml',
      message: { id: result.id, task: 'ml.predict', args: ['text'], kwargs: { top: 3 } },
    });
  });

  it('by name of a task that is defined here has its options and its schema', async () => {
    app.task('order', { input: z.object({ id: z.string() }), queue: 'orders' }, () => 1);
    await app.send('order', ['a']);
    expect(await claimed(app, 'orders')).toHaveLength(1);
    await expect(app.send('order', [], { kwargs: { id: 5 } })).rejects.toThrow(InvalidArgumentsError);
    app.task('add', (x: number) => x);
    await expect(app.send('add', [], { kwargs: { x: 5 } })).rejects.toThrow(
      '$kwargs.x: the task takes positional arguments only',
    );
  });

  it('says everything that its options say', async () => {
    appWith({ taskQueues: [{ name: 'q', exchange: 'x', routingKey: 'r' }] });
    const task = app.task('t', (x: number) => x);
    const eta = new Date(Date.now() - 1000); // past, so that it can be taken
    const expires = new Date(Date.now() + 60_000);
    await task.applyAsync([1], {
      taskId: 'my-id',
      eta,
      expires,
      queue: 'q',
      exchange: 'x',
      routingKey: 'r',
      priority: 4,
      headers: { trace: 'abc' },
      shadow: 'shown',
      ignoreResult: true,
      timeLimit: '1m',
      softTimeLimit: 30,
      replyTo: 'reply',
      rootId: 'root',
      parentId: 'parent',
      groupId: 'group',
      groupIndex: 2,
      argsrepr: '(...)',
      kwargsrepr: '{...}',
      deliveryMode: 1,
    });
    const [taken] = await claimed(app, 'q');
    expect(taken?.message).toMatchObject({
      id: 'my-id',
      correlationId: 'my-id',
      eta,
      expires,
      priority: 4,
      headers: { trace: 'abc' },
      shadow: 'shown',
      ignoreResult: true,
      timeLimit: 60,
      softTimeLimit: 30,
      replyTo: 'reply',
      rootId: 'root',
      parentId: 'parent',
      group: 'group',
      groupIndex: 2,
      argsrepr: '(...)',
      kwargsrepr: '{...}',
      persistent: false,
    });
    expect(taken?.wire.properties.deliveryInfo).toMatchObject({ exchange: 'x', routing_key: 'r' });
  });

  it.each<[CallOptions, string, string]>([
    [{ serializer: 'yaml' }, 'application/x-yaml', 'none'],
    [{ serializer: 'msgpack' }, 'application/x-msgpack', 'none'],
    [{ compression: 'zlib' }, 'application/json', 'application/x-gzip'],
    [{ serializer: 'msgpack', compression: 'brotli' }, 'application/x-msgpack', 'application/x-brotli'],
  ])('can be written as %j', async (options, contentType, compression) => {
    const task = app.task('t', (text: string) => text);
    await task.applyAsync(['ä'.repeat(1000)], options);
    const [taken] = await claimed(app);
    expect(taken?.wire.contentType).toBe(contentType);
    expect(taken?.wire.headers.compression ?? 'none').toBe(compression);
    expect(taken?.message.args).toEqual(['ä'.repeat(1000)]);
  });

  it('with a countdown waits in the broker', async () => {
    const task = app.task('t', () => 1);
    await task.applyAsync([], { countdown: '1h' });
    expect(await (await app.broker()).size('celery')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
    await task.applyAsync([], { countdown: 0 });
    const [taken] = await claimed(app);
    expect(taken?.message.eta).toBe(null);
    expect(await (await app.broker()).size('celery')).toMatchObject({ scheduled: 1 });
  });

  it('expires so long after it was sent', async () => {
    const task = app.task('t', { expires: '10m' }, () => 1);
    const before = Date.now();
    await task.delay();
    await task.applyAsync([], { expires: 30 });
    const after = Date.now();
    const seconds = (await claimed(app)).map(({ message }) => Number(message.expires) / 1000);
    for (const [index, wanted] of [600, 30].entries()) {
      expect(seconds[index]).toBeGreaterThanOrEqual(before / 1000 + wanted - 0.001);
      expect(seconds[index]).toBeLessThanOrEqual(after / 1000 + wanted + 0.001);
    }
  });

  it('has an id that sorts by time', async () => {
    const task = app.task('t', () => 1);
    const ids = (await Promise.all(Array.from({ length: 100 }, () => task.delay()))).map(({ id }) => id);
    expect(new Set(ids).size).toBe(100);
    expect([...ids].sort()).toEqual(ids);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ countdwn: 5 }, "unknown option 'countdwn' in the call of 't'; did you mean 'countdown'?"],
    [{ chain: [] }, "unknown option 'chain' in the call of 't'"],
    [{ countdown: 'soon' }, "'countdown' in the call of 't' must be seconds or text like"],
    [{ countdown: 1e20 }, "'countdown' in the call of 't' is an invalid Date, or too far away"],
    [{ countdown: 5, eta: new Date() }, "'countdown' and 'eta' in the call of 't' say two different times"],
    [{ eta: '2030-01-01' }, "'eta' in the call of 't' must be a Date"],
    [{ eta: new Date(Number.NaN) }, "'eta' in the call of 't' is an invalid Date"],
    [{ eta: new Date('+010000-01-01') }, "'eta' in the call of 't' is outside the years 1 to 9999"],
    [{ timeLimit: 1e12 }, "'timeLimit' in the call of 't' must be above 0 s and not above"],
    [{ expires: true }, "'expires' in the call of 't' must be seconds"],
    [{ taskId: '' }, "'taskId' in the call of 't' must be text that is not empty"],
    [{ taskId: '\ud800' }, "'taskId' in the call of 't' is not valid Unicode"],
    [{ queue: 5 }, "'queue' in the call of 't' must be text that is not empty"],
    [{ priority: -1 }, "'priority' in the call of 't' must be a whole number from 0 to 255"],
    [{ serializer: 'pickle' }, "the serializer 'pickle' is not supported"],
    [{ serializer: 'jsn' }, "unknown serializer 'jsn'; did you mean 'json'?"],
    [{ compression: 'lzma' }, "cannot compress with 'lzma'"],
    [{ headers: { task: 'x' } }, "'task' is a header of Celery's protocol"],
    [{ headers: { deep: { at: [() => 1] } } }, '$headers.deep.at[0] cannot be serialized'],
    [{ timeLimit: 5, softTimeLimit: 6 }, 'the soft time limit (6 s) is above the hard one (5 s)'],
    [{ timeLimit: 0 }, "'timeLimit' in the call of 't' must be above 0"],
    [{ deliveryMode: 3 }, 'must be 1 (transient) or 2 (persistent)'],
    [{ groupIndex: -1 }, "'groupIndex' in the call of 't' must be a whole number from 0"],
    [{ retry: 'yes' }, "'retry' in the call of 't' must be true or false"],
    [{ retryPolicy: { maxRetrys: 3 } }, "did you mean 'maxRetries'?"],
    [{ retryPolicy: { intervalMax: null } }, "'intervalMax' of 'retryPolicy'"],
    [{ signal: 5 }, "'signal' in the call of 't' must be an AbortSignal"],
  ])('with a wrong option is refused, and nothing is sent: %j', async (options, message) => {
    const task = app.task('t', () => 1);
    await expect(task.applyAsync([], options as CallOptions)).rejects.toThrow(message); // what the compiler would refuse
    await expect(app.send('t', [], options as CallOptions)).rejects.toThrow(message);
    await expect(task.applyMany([[]], options as CallOptions)).rejects.toThrow(message);
    expect(await (await app.broker()).queues()).toEqual([]);
  });

  it('with an argument that has no form on the wire is refused with the path to it', async () => {
    const task = app.task('t', (_value: unknown) => 1);
    const error = task.delay({ rows: [1, 2, 3, { id: () => 1 }] });
    await expect(error).rejects.toThrow(NotSerializableError);
    await expect(error).rejects.toMatchObject({ path: '$args[0].rows[3].id' });
    await expect(app.send('x', [], { kwargs: { rows: [new Set()] } })).rejects.toMatchObject({
      path: '$kwargs.rows[0]',
    });
  });

  it('over the limit is refused, however well it compresses', async () => {
    appWith({ maxMessageSize: 2000 });
    const task = app.task('t', (_text: string) => 1);
    await task.delay('a'.repeat(1800));
    for (const options of [{}, { compression: 'zlib' }, { serializer: 'msgpack' }]) {
      const error = task.applyAsync(['a'.repeat(2000)], options);
      await expect(error).rejects.toThrow(PayloadTooLargeError);
      await expect(error).rejects.toThrow("the call of 't' takes 20");
    }
    await expect(task.applyAsync([''], { headers: { note: 'a'.repeat(2000) } })).rejects.toThrow(
      PayloadTooLargeError,
    );
    expect(await claimed(app)).toHaveLength(1);
  });

  it.each<[string, unknown, unknown]>([
    ['text for a list', 'text', {}],
    ['a list for an object', [], [1]],
    ['null for an object', [], null],
    ['a Date for an object, which is written as text', [], new Date()],
    ['a Map for an object', [], new Map([['a', 1]])],
  ])('by name of a wrong shape is refused: %s', async (_, args, kwargs) => {
    const send = app.send('t', args as unknown[], { kwargs: kwargs as object as Record<string, unknown> }); // what the compiler would refuse
    await expect(send).rejects.toThrow(InvalidArgumentsError);
    await expect(send).rejects.toThrow(/are given as a (list|plain object)/);
  });

  it('that is given as something else than a list is refused', async () => {
    const task = app.task('t', (_x: number) => 1);
    await expect(task.applyAsync(5 as never)).rejects.toThrow(
      'the arguments are given as a list: applyAsync([2, 3])',
    );
  });

  it('is written when it is made: changing its arguments afterwards changes nothing', async () => {
    const task = app.task('t', (_list: number[]) => 1);
    const list = [1, 2];
    const sending = task.delay(list);
    list.push(3);
    await sending;
    expect((await claimed(app))[0]?.message.args).toEqual([[1, 2]]);
  });

  it('is known from the moment it was sent, and only then', async () => {
    const task = app.task('t', () => 1);
    const result = await task.delay();
    expect(await result.exists()).toBe(true);
    expect(await result.status()).toBe('PENDING');
    expect(await app.result('never-sent').exists()).toBe(false);
  });

  it('with an id that was sent before is not sent again', async () => {
    const task = app.task('t', () => 1);
    await task.applyAsync([], { taskId: 'once' });
    await task.applyAsync([], { taskId: 'once' });
    expect(await claimed(app)).toHaveLength(1);
  });

  it('whose result is ignored leaves no record', async () => {
    const task = app.task('t', { ignoreResult: true }, () => 1);
    expect(await (await task.delay()).exists()).toBe(false);
    expect(await (await task.applyAsync([], { ignoreResult: false })).exists()).toBe(true);
  });

  it('is given up when its signal is aborted before', async () => {
    const task = app.task('t', () => 1);
    await expect(task.applyAsync([], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
    expect(await (await app.broker()).queues()).toEqual([]);
  });
});

describe('many calls', () => {
  it('are sent in one step, in their order', async () => {
    const add = app.task('add', (x: number, y: number) => x + y);
    const results = await add.applyMany(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      { queue: 'q' },
    );
    const taken = await claimed(app, 'q');
    expect(taken.map(({ message }) => [message.id, message.args])).toEqual([
      [results[0]?.id, [1, 2]],
      [results[1]?.id, [3, 4]],
      [results[2]?.id, [5, 6]],
    ]);
    expect(await add.applyMany([])).toEqual([]);
  });

  it('cannot share one id', async () => {
    const task = app.task('t', () => 1);
    await expect(task.applyMany([[], []], { taskId: 'one' } as CallOptions)).rejects.toThrow(
      "'taskId' in the calls of 't'",
    );
  });

  it('are sent all or none', async () => {
    const task = app.task('t', (_value: unknown) => 1);
    await expect(task.applyMany([[1], [new Map()], [3]])).rejects.toThrow(NotSerializableError);
    expect(await (await app.broker()).queues()).toEqual([]);
  });
});

describe('the queue of a call', () => {
  it.each<[string, AppOptions, string | undefined, CallOptions, string]>([
    ['nothing is said', {}, undefined, {}, 'celery'],
    ['the setting says it', { taskDefaultQueue: 'setting' }, undefined, {}, 'setting'],
    ['the task before the setting', { taskDefaultQueue: 'setting' }, 'task', {}, 'task'],
    ['a route before the task', { taskRoutes: { t: 'route' } }, 'task', {}, 'route'],
    ['the call before a route', { taskRoutes: { t: 'route' } }, 'task', { queue: 'call' }, 'call'],
    ['a routing key is a queue here', {}, 'task', { routingKey: 'key' }, 'key'],
    ['a queue before a routing key', {}, undefined, { queue: 'call', routingKey: 'key' }, 'call'],
  ])('is decided so: %s', async (_, settings, queue, options, expected) => {
    appWith(settings);
    const task = app.task('t', { ...(queue && { queue }) }, () => 1);
    await task.applyAsync([], options);
    expect(await (await app.broker()).queues()).toEqual([expected]);
  });

  it('and what else a route says count less than the call', async () => {
    appWith({
      taskRoutes: [
        ['t.*', { queue: 'q', priority: 3, timeLimit: 10, serializer: 'yaml', ignoreResult: true }],
      ],
      taskDefaultPriority: 9,
    });
    app.task('t.a', { priority: 7 }, () => 1);
    await app.send('t.a');
    await app.send('t.a', [], { priority: 1, timeLimit: 20, serializer: 'json', ignoreResult: false });
    const [second, first] = await claimed(app, 'q');
    expect(first).toMatchObject({
      message: { priority: 3, timeLimit: 10, ignoreResult: true },
      wire: { contentType: 'application/x-yaml' },
    });
    expect(second).toMatchObject({
      message: { priority: 1, timeLimit: 20, ignoreResult: false },
      wire: { contentType: 'application/json' },
    });
  });

  it('and the priority of the settings is the last that is asked', async () => {
    appWith({ taskDefaultPriority: 9 });
    app.task('own', { priority: 7 }, () => 1);
    await app.send('own');
    await app.send('other');
    expect((await claimed(app)).map(({ message }) => message.priority)).toEqual([7, 9]);
  });
});

describe('an application', () => {
  it('knows its tasks by name', () => {
    const add = app.task('add', (x: number) => x);
    expect([...app.tasks.names()]).toEqual(['add']);
    expect(app.tasks.get('add')).toBe(add);
    expect(app.tasks.has('sub')).toBe(false);
    expect([...app.tasks]).toEqual([add]);
  });

  it('does not take the same name twice, nor a wrong definition', () => {
    app.task('add', (x: number) => x);
    expect(() => app.task('add', (x: number) => x)).toThrow(AlreadyRegisteredError);
    expect(() => app.task('', () => 1)).toThrow(ConfigError);
    expect(() => app.task('t', { maxRetry: 3 } as never, () => 1)).toThrow(
      "unknown option 'maxRetry' in the options of the task 't'; did you mean 'maxRetries'?",
    );
    expect(() => app.task('t', { maxRetrys: 3 } as never, () => 1)).toThrow(UnknownOptionError);
    expect(() => app.task('t', {}, undefined as never)).toThrow("the task 't' has no code");
    expect(() => app.task('t', { timeLimit: 1, softTimeLimit: 2 }, () => 1)).toThrow('above the hard one');
    expect(() => app.task('t', { input: {} as never }, () => 1)).toThrow('no Standard Schema');
    expect(() => app.task('t', { autoretryFor: ['Error'] as never }, () => 1)).toThrow(
      'must be a list of error classes',
    );
    expect(() => app.task('t', { maxRetries: -1 }, () => 1)).toThrow(
      "'maxRetries' in the options of the task 't'",
    );
    expect(() => app.task('t', { acksLate: 'no' as never }, () => 1)).toThrow(
      "'acksLate' in the options of the task 't' must be true or false",
    );
    expect(() => app.task('t', { onSuccess: 5 as never }, () => 1)).toThrow(
      "'onSuccess' in the options of the task 't' must be a function",
    );
    expect(app.tasks.names()).toEqual(['add']);
  });

  it('is not disturbed by another in the same process', async () => {
    await using other = new App('test', { broker: 'memory://' });
    const mine = app.task('same', () => 1);
    other.task('same', () => 2);
    let heard = 0;
    other.signals.beforeTaskPublish.connect(() => heard++);
    await mine.delay();
    expect(await claimed(other)).toEqual([]);
    expect(await claimed(app)).toHaveLength(1);
    expect(heard).toBe(0);
  });

  it('shares a named memory with another', async () => {
    await using one = new App('one', { broker: 'memory://shared-by-name' });
    await using two = new App('two', { broker: 'memory://shared-by-name' });
    const sent = await one.send('t');
    expect(await two.result(sent.id).exists()).toBe(true);
    expect(await claimed(two)).toHaveLength(1);
  });

  it('opens its stores once, and not before they are needed', async () => {
    expect(app.stores).toBe(null);
    const [one, two] = await Promise.all([app.broker(), app.broker()]);
    expect(one).toBe(two);
    expect((await app.backend())?.store).toBe(one.store);
  });

  it('tries again after its stores could not be opened', async () => {
    await using wrong = new App('wrong', { broker: 'sqlite://store.db?nosuch=1' });
    await expect(wrong.send('t')).rejects.toThrow(ConfigError);
    await expect(wrong.send('t')).rejects.toThrow('nosuch');
  });

  it('without a result backend says so when a result is asked for', async () => {
    appWith({ backend: null });
    const result = await app.send('t');
    expect(await app.backend()).toBe(null);
    await expect(result.get({ timeout: 60 })).rejects.toThrow(ResultBackendDisabledError);
    await expect(result.status()).rejects.toThrow("the application 'test' keeps no results");
  });

  it('that is closed sends no more', async () => {
    await app.send('t');
    await app.close();
    await app.close();
    await expect(app.send('t')).rejects.toThrow("the application 'test' is closed");
  });
});
