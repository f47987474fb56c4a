import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { CallOptions } from '../../src/config/call-options.ts';
import { type AppOptions, resolveConfig } from '../../src/config/config.ts';
import { type Queues, Topology, workerDirect } from '../../src/config/queues.ts';
import { ConfigError, UnroutableError } from '../../src/errors.ts';
import { type DestinationOptions, destinationOf } from '../../src/sending/destination.ts';
import { plainQueue } from '../../src/stores/topology.ts';
import { patience, patienceMs } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';

/** As a JavaScript program could give them. */
const topology = (settings: Record<string, unknown>): Topology => {
  const config = resolveConfig({ broker: 'memory://', ...settings } as AppOptions, {});
  return new Topology(config.taskQueues, config);
};
const topic = { name: 'media', type: 'topic' } as const;

describe('the queues of an application', () => {
  it('are plain when nothing is said of them, and then nothing is declared', () => {
    const found = topology({});
    expect(found.declared).toEqual([]);
    expect(found.queue('celery')).toEqual(plainQueue('celery'));
    expect(found.queue('any')).toEqual(plainQueue('any'));
    expect(found.missing('any')).toEqual(plainQueue('any'));
  });

  it('of one worker alone are Celery’s, whatever is said of others', () => {
    const queue = topology({ taskCreateMissingQueues: false, taskCreateMissingQueueType: 'quorum' });
    expect(queue.queue(workerDirect('w@host'))).toMatchObject({
      name: 'w@host.dq2',
      bindings: [{ exchange: { name: 'C.dq2', type: 'direct' }, routingKey: 'w@host' }],
      durable: true,
      type: null,
    });
    expect(() => workerDirect('w')).toThrow(/'w' is no node name of a worker/);
  });

  it('are served by one worker alone with workerDirect', async () => {
    const app = await newApp('memory', { workerDirect: true });
    const who = app.task('who', { bind: true }, (task) => task.request.hostname);
    const { worker } = await startWorker(app, { name: 'one@here' });
    await startWorker(app, { name: 'two@here', queues: ['other'] });
    expect(worker.queues).toEqual(['celery', 'one@here.dq2']);
    for (const name of ['one@here', 'two@here', 'one@here']) {
      const sent = await who.applyAsync([], { queue: workerDirect(name) });
      expect(await sent.get(patience)).toBe(name);
    }
  });

  it('may be given by their names only', () => {
    expect(
      topology({ taskQueues: ['video', { name: 'mail', type: 'quorum', maxPriority: 10 }] }).declared,
    ).toEqual([
      plainQueue('video'),
      { ...plainQueue('mail'), type: 'quorum' }, // which knows no x-max-priority
    ]);
  });

  it('are read in our spelling, in kombu’s, and as an object by their names', () => {
    const ours: Queues = [
      {
        name: 'video',
        exchange: topic,
        routingKey: 'video.#',
        maxPriority: 5,
        messageTtl: '1m',
        expires: 3600,
        maxLength: 100,
        maxLengthBytes: 5000,
        autoDelete: true,
        queueArguments: { 'x-dead-letter-exchange': 'dlx' },
      },
    ];
    const kombus = {
      video: {
        exchange: 'media',
        exchange_type: 'topic',
        routing_key: 'video.#',
        max_priority: 5,
        message_ttl: 60,
        expires: 3600,
        max_length: 100,
        max_length_bytes: 5000,
        auto_delete: true,
        queue_arguments: { 'x-dead-letter-exchange': 'dlx' },
      },
    };
    const expected = {
      name: 'video',
      bindings: [{ exchange: { name: 'media', type: 'topic', durable: true }, routingKey: 'video.#' }],
      durable: true,
      exclusive: false,
      autoDelete: true,
      type: null,
      maxPriority: 5,
      arguments: {
        'x-dead-letter-exchange': 'dlx',
        'x-message-ttl': 60_000,
        'x-expires': 3_600_000,
        'x-max-length': 100,
        'x-max-length-bytes': 5000,
      },
    };
    expect(topology({ taskQueues: ours }).declared).toEqual([expected]);
    expect(topology({ task_queues: kombus }).declared).toEqual([expected]);
  });

  it('take what the defaults say', () => {
    const found = topology({
      taskDefaultQueue: 'main',
      taskDefaultExchange: 'tasks',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'task.default',
      taskDefaultQueueType: 'quorum',
      taskCreateMissingQueueType: 'quorum',
      taskQueueMaxPriority: 7,
      taskQueues: ['video'],
    });
    const exchange = { name: 'tasks', type: 'topic', durable: true };
    expect(found.declared).toMatchObject([
      { name: 'video', bindings: [{ exchange, routingKey: 'task.default' }], type: null, maxPriority: 7 },
      {
        name: 'main',
        bindings: [{ exchange, routingKey: 'task.default' }],
        type: 'quorum',
        maxPriority: null,
      },
    ]);
    expect(found.missing('other')).toMatchObject({ type: 'quorum' });
    expect(found.named).toEqual(['video']);
  });

  it('arguments that have a place of their own are put there', () => {
    const queueArguments = { 'x-queue-type': 'quorum', 'x-delivery-limit': 3 };
    expect(topology({ taskQueues: [{ name: 'q', queueArguments }] }).declared).toEqual([
      { ...plainQueue('q'), type: 'quorum', arguments: { 'x-delivery-limit': 3 } },
    ]);
  });

  it.each<[unknown, string]>([
    [
      [{ name: 'celery', broadcast: true }],
      "the broadcast queue 'celery' in taskQueues cannot be the default queue",
    ],
    [[{ name: 'all', broadcast: true, bindings: [{ exchange: 'x' }] }], "has one exchange and no 'bindings'"],
    [[{ name: 'q', exchange: { name: 'x', type: 'headers' } }], "type 'headers' are not in this version"],
    [[{ name: 'q', rotingKey: 'x' }], "unknown option 'rotingKey'; did you mean 'routingKey'?"],
    [[{}], "a queue's name in taskQueues must be text"],
    [['a', 'a'], "'a' occurs twice"],
    [[5], 'taskQueues[0] must be an object'],
    ['video', 'taskQueues must be an object'],
    [
      [{ name: 'q', maxPriority: 0 }],
      "'maxPriority' of the queue 'q' in taskQueues must be a whole number from 1 to 255",
    ],
    [[{ name: 'q', type: 'stream' }], "must be 'classic' or 'quorum'"],
    [[{ name: 'q', bindings: [], exchange: 'x' }], "has 'bindings' and 'exchange'"],
    [
      [
        { name: 'a', exchange: 'x' },
        { name: 'b', exchange: 'x', exchangeType: 'fanout' },
      ],
      "the exchange 'x' is direct for one queue and fanout for 'b'",
    ],
  ])('are refused: %j', (taskQueues, message) => {
    expect(() => topology({ taskQueues })).toThrow(message);
    expect(() => topology({ taskQueues })).toThrow(ConfigError);
  });

  it('need to be named where missing ones may not be used', async () => {
    const found = topology({ taskQueues: ['video'], taskCreateMissingQueues: false });
    expect(found.queue('video')).toEqual(plainQueue('video'));
    expect(() => found.queue('vdeo')).toThrow(
      "there is no queue 'vdeo' in taskQueues; did you mean 'video'?",
    );
    await using app = new App('test', {
      broker: 'memory://',
      taskQueues: ['video'],
      taskCreateMissingQueues: false,
    });
    await expect(app.send('t', [], { queue: 'other' })).rejects.toThrow("there is no queue 'other'");
    await app.send('t', [], { queue: 'video' });
    await app.send('t');
  });
});

describe('where a call goes', () => {
  const settings = {
    taskQueues: [
      'plain',
      { name: 'video', exchange: topic, routingKey: 'media.video.#' },
      { name: 'all', exchange: { name: 'everybody', type: 'fanout' } },
      { name: 'direct', exchange: 'shared', routingKey: 'key' },
    ],
  };
  const found = topology(settings);
  const straight = (queue: string) => ({ queue, exchange: '', routingKey: queue });

  it.each<[string, DestinationOptions, DestinationOptions, string | null, unknown]>([
    ['nothing is said', {}, {}, null, straight('celery')],
    ['the task has a queue', {}, {}, 'plain', straight('plain')],
    ['a direct exchange of its own is no detour', { queue: 'direct' }, {}, null, straight('direct')],
    [
      'a queue with a topic of its own is reached through it',
      { queue: 'video' },
      {},
      null,
      { queue: 'video', exchange: 'media', routingKey: 'media.video.#' },
    ],
    [
      'with the key of the call',
      { queue: 'video', routingKey: 'media.video.cut' },
      {},
      null,
      { queue: 'video', exchange: 'media', routingKey: 'media.video.cut' },
    ],
    [
      'the key of the call and the queue of the route',
      { routingKey: 'media.video.cut' },
      { queue: 'video' },
      null,
      { queue: 'video', exchange: 'media', routingKey: 'media.video.cut' },
    ],
    [
      'an exchange and a key',
      { exchange: 'shared', routingKey: 'key' },
      {},
      null,
      { queue: 'celery', exchange: 'shared', routingKey: 'key' },
    ],
    [
      'a direct exchange without a key is the queue',
      { exchange: 'shared', queue: 'direct' },
      {},
      null,
      straight('direct'),
    ],
    [
      'a fanout needs no key',
      { exchange: 'everybody' },
      {},
      null,
      { queue: 'celery', exchange: 'everybody', routingKey: 'celery' },
    ],
    ['a key alone is a queue', { routingKey: 'plain' }, {}, 'celery', straight('plain')],
    ['a queue of the call before its key', { queue: 'plain', routingKey: 'x' }, {}, null, straight('plain')],
    ['a queue of the route before its key', {}, { queue: 'plain', routingKey: 'x' }, null, straight('plain')],
  ])('%s', (_, call, route, task, expected) => {
    expect(destinationOf(call, route, task, 'celery', found)).toEqual(expected);
  });

  async function arrived(settings: AppOptions, options: CallOptions): Promise<Record<string, string[]>> {
    await using app = new App('test', { ...settings, broker: 'memory://' });
    await app.send('t', [], { taskId: 'a', ...options });
    const broker = await app.broker();
    const taken: Record<string, string[]> = {};
    const queues = ['celery', 'plain', 'video', 'films', 'all', 'everyone', 'direct'];
    await using consumer = await broker.consume({ queues, name: 'test', leaseMs: 15_000 });
    for (const { queue, message } of await consumer.claim(() => 20, AbortSignal.timeout(patienceMs)))
      if (message.ok)
        taken[queue] = [...(taken[queue] ?? []), message.value.properties.deliveryInfo.routing_key];
    return taken;
  }
  const memory: AppOptions = {
    taskQueues: [
      { name: 'video', exchange: topic, routingKey: 'media.video.#' },
      { name: 'films', exchange: topic, routingKey: 'media.*.film' },
      { name: 'all', exchange: { name: 'everybody', type: 'fanout' } },
      { name: 'everyone', exchange: { name: 'everybody', type: 'fanout' } },
    ],
  };

  it.each<[string, CallOptions, Record<string, string[]>]>([
    [
      'one queue of a topic',
      { exchange: 'media', routingKey: 'media.video.cut' },
      { video: ['media.video.cut'] },
    ],
    [
      'two queues of a topic',
      { queue: 'video', routingKey: 'media.video.film' },
      { video: ['media.video.film'], films: ['media.video.film'] },
    ],
    ['all queues of a fanout', { queue: 'all' }, { all: ['all'], everyone: ['all'] }],
  ])('without exchanges in the broker: %s', async (_, options, expected) => {
    expect(await arrived(memory, options)).toEqual(expected);
  });

  it('and is refused when no queue would get it', async () => {
    const sending = (options: CallOptions) => arrived(memory, options);
    await expect(sending({ exchange: 'media', routingKey: 'audio' })).rejects.toThrow(UnroutableError);
    await expect(sending({ exchange: 'media', routingKey: 'audio' })).rejects.toThrow("for the key 'audio'");
    await expect(sending({ exchange: 'none', routingKey: 'x' })).rejects.toThrow(
      "there is no exchange 'none'",
    );
  });
});
