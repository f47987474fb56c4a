// Sending through a real RabbitMQ: priorities by name, exchanges, and what a caller sees when it is away.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { PriorityName } from '../../src/config/priority.ts';
import { BrokerUnavailable, UnroutableError } from '../../src/errors.ts';
import type { WireMessage } from '../../src/protocol/message.ts';
import type { Delivery } from '../../src/stores/transport.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { freePort } from '../servers/redis.ts';
import { patienceMs, until } from '../until.ts';
import { endedBeforePatient } from './patience.ts';

needs(describe, noRabbit)('an application on RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  async function taken(app: App, queues: readonly string[], count: number): Promise<WireMessage[]> {
    const broker = await app.broker();
    await using consumer = await broker.consume({ queues, name: 'test', leaseMs: 15_000, slots: count });
    const found: Delivery[] = [];
    while (found.length < count)
      found.push(...(await consumer.claim(() => count - found.length, AbortSignal.timeout(patienceMs))));
    const messages: WireMessage[] = [];
    for (const delivery of found) {
      if (delivery.message.ok) messages.push(delivery.message.value);
      await delivery.settle({ kind: 'ack' });
    }
    return messages;
  }

  it.each([10, 9, 5, 3])('gives priorities by name, in a queue that knows %i of them', async (max) => {
    const queue = `named-${max}`;
    await using app = new App('test', {
      broker: server.url(),
      taskDefaultPriority: 'normal',
      taskDefaultQueue: queue,
      taskQueueMaxPriority: max,
    });
    const names: readonly (PriorityName | undefined)[] = ['low', undefined, 'high', 'normal', 'urgent'];
    for (const priority of names)
      await app.send('t', [], { shadow: priority ?? 'unsaid', ...(priority && { priority }) });
    const order = (await taken(app, [queue], names.length)).map(({ headers }) => headers.shadow);
    expect(order).toEqual(['urgent', 'high', 'unsaid', 'normal', 'low']);
  });

  it('declares queues that it does not name as the settings say', async () => {
    await using app = new App('test', {
      broker: server.url(),
      taskDefaultPriority: 'normal',
      taskQueueMaxPriority: 10,
    });
    for (const priority of ['low', 'urgent'] as const)
      await app.send('t', [], { queue: 'unnamed', shadow: priority, priority });
    const order = (await taken(app, ['unnamed'], 2)).map(({ headers }) => headers.shadow);
    expect(order).toEqual(['urgent', 'low']);
  });

  it('sends to the queue `celery` by the exchange `celery`, as Celery does', async () => {
    const vhost = server.vhost();
    await using app = new App('test', { broker: server.url(vhost) });
    await app.send('t');
    await until(async () => (await server.queues(vhost)).some(({ messages }) => messages === 1));
    expect(await server.queues(vhost)).toContainEqual({ name: 'celery', messages: 1, durable: true });
    const bindings = `rabbit_binding:list(<<"${vhost}">>)`;
    const bound = await server.evaluate(
      `[io:format("~ts ~ts ~ts~n", [E, K, Q]) || {binding, {resource, _, exchange, E}, K, {resource, _, queue, Q}, _} <- ${bindings}]`,
    );
    expect(bound.split('\n')).toContain('celery celery celery');
  });

  it('routes through exchanges, and refuses what goes nowhere', async () => {
    await using app = new App('test', {
      broker: server.url(),
      taskQueues: [
        { name: 'video', exchange: { name: 'media', type: 'topic' }, routingKey: 'media.video.#' },
        { name: 'films', exchange: { name: 'media', type: 'topic' }, routingKey: 'media.*.film' },
      ],
    });
    await app.send('t', [], { exchange: 'media', routingKey: 'media.video.film' });
    expect(await taken(app, ['video'], 1)).toHaveLength(1);
    expect(await taken(app, ['films'], 1)).toHaveLength(1);
    await expect(app.send('t', [], { exchange: 'media', routingKey: 'audio' })).rejects.toThrow(
      UnroutableError,
    );
  });

  it('runs tasks, with results in another store', async () => {
    await using app = new App('test', {
      broker: server.url(),
      backend: 'memory://',
      taskDefaultQueue: 'run',
    });
    const add = app.task('add', (x: number, y: number) => x + y);
    await using worker = new Worker(app);
    await worker.start();
    expect(await (await add.delay(2, 3)).get({ timeout: 60 })).toBe(5);
  });

  it('has results sent to it as messages, by rpc://', async () => {
    await using app = new App('test', { broker: server.url(), backend: 'rpc://', taskDefaultQueue: 'rpc' });
    await using other = new App('test', { broker: server.url(), backend: 'rpc://', taskDefaultQueue: 'rpc' });
    const add = app.task('add', (x: number, y: number) => x + y);
    other.task('add', (x: number, y: number) => x + y);
    await using worker = new Worker(other);
    await worker.start();
    expect(await (await add.delay(2, 3)).get({ timeout: 60 })).toBe(5);
    expect(
      await Promise.all(
        (
          await add.applyMany([
            [1, 1],
            [2, 2],
          ])
        ).map((one) => one.get({ timeout: 60 })),
      ),
    ).toEqual([2, 4]);
  });

  it.each([
    'rpc://',
    null,
  ])('rejects a call within its time when the broker is away, with results by %s', async (backend) => {
    await using app = new App('test', {
      broker: `amqp://127.0.0.1:${await freePort()}//`,
      backend,
      taskPublishTimeout: '600ms',
    });
    expect(await endedBeforePatient(app, {})).toBeInstanceOf(BrokerUnavailable);
  });

  it('says that the broker is away, and shows no password', async () => {
    const broker = `amqp://user:canary-3@127.0.0.1:${await freePort()}//`;
    await using app = new App('test', { broker, taskPublishTimeout: '600ms' });
    const error = await app.send('t').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BrokerUnavailable);
    expect(String(error) + String((error as Error).stack)).not.toContain('canary');
  });
});
