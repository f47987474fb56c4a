// Sending through a real Redis: what a caller sees when it is there, slow, or gone.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { PriorityName } from '../../src/config/priority.ts';
import { BrokerUnavailable, SendUnconfirmed, UnroutableError } from '../../src/errors.ts';
import type { WireMessage } from '../../src/protocol/message.ts';
import { needs } from '../needs.ts';
import { freePort, noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patienceMs } from '../until.ts';
import { endedBeforePatient, patiently } from './patience.ts';

needs(describe, noRedis)('an application on Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  async function taken(
    app: App,
    queues: readonly string[],
  ): Promise<{ queue: string; message: WireMessage }[]> {
    const broker = await app.broker();
    await using consumer = await broker.consume({ queues, name: 'test', leaseMs: 15_000 });
    const found: { queue: string; message: WireMessage }[] = [];
    for (const { queue, message } of await consumer.claim(() => 50, AbortSignal.timeout(patienceMs)))
      if (message.ok) found.push({ queue, message: message.value });
    return found;
  }

  it('keeps results there, too, if nothing else is said', () => {
    const app = new App('test', { broker: server.url() });
    expect(app.config.backend).toBe(server.url());
  });

  it('gives priorities by name: urgent, high, what says nothing and normal, low', async () => {
    await using app = new App('test', {
      broker: server.url(1),
      backend: null,
      taskDefaultPriority: 'normal',
    });
    const names: readonly (PriorityName | undefined)[] = ['low', undefined, 'high', 'normal', 'urgent'];
    for (const priority of names)
      await app.send('t', [], { shadow: priority ?? 'unsaid', ...(priority && { priority }) });
    expect(
      server
        .cli('-n', String(server.db(1)), 'KEYS', 'celery*')
        .split('\n')
        .sort(),
    ).toEqual(['celery', 'celery\x06\x163', 'celery\x06\x166', 'celery\x06\x169'].sort());
    const order = (await taken(app, ['celery'])).map(({ message }) => message.headers.shadow);
    expect(order).toEqual(['urgent', 'high', 'unsaid', 'normal', 'low']);
  });

  it('sends what says no priority to the list that Python looks at', async () => {
    await using app = new App('test', { broker: server.url(2) });
    await app.send('t');
    expect(server.cli('-n', String(server.db(2)), 'LLEN', 'celery')).toBe('1');
    expect(server.cli('-n', String(server.db(2)), 'LINDEX', 'celery', '0')).toMatch(/"priority": ?0/);
  });

  it('routes through exchanges that only another program has bound', async () => {
    await using binder = new App('binder', {
      broker: server.url(3),
      taskQueues: [
        { name: 'video', exchange: { name: 'media', type: 'topic' }, routingKey: 'media.video.#' },
        { name: 'films', exchange: { name: 'media', type: 'topic' }, routingKey: 'media.*.film' },
      ],
    });
    await (
      await (await binder.broker()).consume({ queues: ['video', 'films'], name: 'b', leaseMs: 15_000 })
    ).close();
    await using app = new App('test', { broker: server.url(3) });
    await app.send('t', [], { exchange: 'media', routingKey: 'media.video.film' });
    expect((await taken(binder, ['video', 'films'])).map(({ queue }) => queue).sort()).toEqual([
      'films',
      'video',
    ]);
    const nowhere = app.send('t', [], { exchange: 'media', routingKey: 'audio.x' });
    await expect(nowhere).rejects.toThrow(UnroutableError);
  });

  it('sends to a queue with a topic of its own through it, as Celery does', async () => {
    const queue = {
      name: 'own',
      exchange: { name: 'own-topic', type: 'topic' },
      routingKey: 'own.task',
    } as const;
    await using app = new App('test', { broker: server.url(4), taskQueues: [queue] });
    await app.send('t', [], { queue: 'own' });
    const [one] = await taken(app, ['own']);
    expect(one?.message.properties.deliveryInfo).toMatchObject({
      exchange: 'own-topic',
      routing_key: 'own.task',
    });
  });

  describe('whose server is away', () => {
    it('rejects a call within its time, saying that nothing was sent', async () => {
      const port = await freePort();
      await using app = new App('test', {
        broker: `redis://:canary-5@127.0.0.1:${port}/0`,
        taskPublishTimeout: '600ms',
      });
      const error = await endedBeforePatient(app, {});
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error) + String((error as Error).stack)).not.toContain('canary');
      expect(await endedBeforePatient(app, { publishTimeout: '100ms' })).toBeInstanceOf(BrokerUnavailable);
    });

    it('gives up when its signal is aborted', async () => {
      await using app = new App('test', { broker: `redis://127.0.0.1:${await freePort()}/0` });
      const giveUp = new AbortController();
      const sending = app.send('t', [], { ...patiently, signal: giveUp.signal });
      setTimeout(() => giveUp.abort(new Error('enough')), 50);
      await expect(sending).rejects.toThrow('enough');
    });

    it('sends what was asked for meanwhile when it comes back in time', async () => {
      await using own = await RedisServerProcess.start();
      await using app = new App('test', { broker: own.url() });
      await app.send('t');
      await own.stop('SIGKILL');
      const sending = app.send('t', [], patiently);
      await own.start();
      await sending;
      expect((await taken(app, ['celery'])).length).toBe(1);
    });

    it('says when it cannot know whether a call was sent, and the same call again is one', async () => {
      await using own = await RedisServerProcess.start();
      await using app = new App('test', { broker: own.url() });
      await app.send('t', [], { taskId: 'first' });
      own.signal('SIGSTOP');
      const error = await app
        .send('t', [], { taskId: 'in-doubt', publishTimeout: '500ms' })
        .catch((reason: unknown) => reason);
      own.signal('SIGCONT');
      expect(error).toBeInstanceOf(SendUnconfirmed);
      expect((error as SendUnconfirmed).taskIds).toEqual(['in-doubt']);
      await app.send('t', [], { taskId: 'in-doubt', publishTimeout: 60 });
      const ids = (await taken(app, ['celery'])).map(({ message }) => message.headers.id);
      expect(ids).toEqual(['first', 'in-doubt']);
    });
  });
});
