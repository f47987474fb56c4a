// What RabbitMQ does to a worker and a sender on a bad day. The contract itself is in the conformance suite; what harms a whole node:
// amqp-node.test.ts.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { BrokerUnavailable, ConfigError, UnroutableError } from '../../../src/errors.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { type AmqpTransport, openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { type AmqpChannel, AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { Publisher } from '../../../src/stores/amqp/publisher.ts';
import { plainQueue, type QueueDeclaration } from '../../../src/stores/topology.ts';
import type { Consumer, Transport } from '../../../src/stores/transport.ts';
import { claim, claimNothing, claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patienceMs, until, within } from '../../until.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

needs(describe, noRabbit)('RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  async function open(
    vhost: string = server.vhost(),
    queues: readonly QueueDeclaration[] = [],
    driver: Record<string, unknown> = {},
    clock: Clock = systemClock,
  ): Promise<AmqpTransport> {
    const transport = await openAmqpTransport(server.url(vhost), { queues, driver }, clock);
    closing.push(() => transport.close());
    return transport;
  }

  const join = (transport: Transport, queues = ['celery'], slots = 8): Promise<Consumer> =>
    transport.consume({ queues, name: 'test', leaseMs: 15_000, slots });

  /** The broker, past all of our code. */
  async function raw(vhost: string): Promise<AmqpChannel> {
    const link = new AmqpLink(amqpSettings(server.url(vhost), 'broker'));
    closing.push(() => link.close());
    return (await link.ready(patienceMs)).createChannel();
  }

  /** A proxy before the server, and the URL of the virtual host through it. */
  async function behindProxy(vhost: string): Promise<{ proxy: FaultProxy; url: string }> {
    const proxy = await FaultProxy.before(server.port);
    closing.push(() => proxy[Symbol.asyncDispose]());
    return { proxy, url: server.url(vhost).replace(String(server.port), String(proxy.port)) };
  }

  it('a move that fails in the middle leaves the others in their queue, and what a dead mover had published is marked', async () => {
    const transport = await open();
    const ids = Array.from({ length: 150 }, (_, n) => `m${n}`);
    await transport.publish(ids.map((id) => publication(id, { queue: 'from' })));
    let seen = 0;
    const decide = () => {
      if (++seen > 120) throw new Error('it dies');
      return { queue: 'to', due: null, message: null } as const;
    };
    const limit = Number.POSITIVE_INFINITY;
    await expect(transport.changeWaiting('from', { places: ['ready'], limit, decide })).rejects.toThrow(
      'it dies',
    );
    await until(async () => (await transport.size('from')).ready === 50);
    const moved = await claim(await join(transport, ['to']), 100);
    expect(moved.map(idOf)).toEqual(ids.slice(0, 100));
    // So that its result is looked up: the mover may have died before it acknowledged the first copy.
    expect(moved.every(({ redelivered }) => redelivered)).toBe(true);
    const rest = await claim(await join(transport, ['from']), 50);
    expect(rest.map(idOf).sort()).toEqual(ids.slice(100).sort());
  });

  describe.each(['classic', 'quorum'] as const)('with %s queues', (type) => {
    const queues = [{ ...plainQueue('celery'), type }];

    it('takes up the work again after all connections were closed, and loses nothing', async () => {
      const vhost = server.vhost();
      const transport = await open(vhost, queues);
      await transport.publish(['a', 'b', 'c'].map((id) => publication(id)));
      const consumer = await join(transport);
      const held = await claim(consumer, 2);
      await server.closeConnections(vhost);
      // What is in hand stays there, and comes to nobody else.
      const [other] = await claim(consumer, 1);
      expect([...held, other].map((each) => each && idOf(each)).sort()).toEqual(['a', 'b', 'c']);
      expect(held.map(({ lost }) => lost.aborted)).toEqual([false, false]);
      await server.closeConnections(vhost);
      await transport.publish([publication('d')]);
      const last = await claimOne(consumer);
      expect([idOf(last), last.crashes]).toEqual(['d', 0]);
      for (const delivery of [...held, other, last])
        expect(await delivery?.settle({ kind: 'ack' })).toBe('settled');
      await consumer.close();
      expect((await transport.size('celery')).ready).toBe(0);
    });
  });

  it('declares a queue again that was deleted under its consumer, and sends to one that was', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const consumer = await join(transport);
    await transport.publish([publication('a')]);
    await (await claimOne(consumer)).settle({ kind: 'ack' });
    const claiming = claim(consumer, 1);
    const channel = await raw(vhost);
    await channel.deleteQueue('celery');
    await transport.publish([publication('b')]);
    expect((await claiming).map(idOf)).toEqual(['b']);
    await consumer.close();
    await channel.deleteQueue('celery');
    await transport.publish([publication('c')]);
    expect(idOf(await claimOne(await join(transport)))).toBe('c');
  });

  it('hears a quorum queue again that was deleted and declared anew under its consumer', async () => {
    const vhost = server.vhost();
    // It looks now and then whether it was forgotten: ten times as often here.
    const hurried: Clock = {
      ...systemClock,
      monotonic: () => 10 * systemClock.monotonic(),
      after: (ms, then) => systemClock.after(ms / 10, then),
    };
    const transport = await open(vhost, [{ ...plainQueue('celery'), type: 'quorum' }], {}, hurried);
    const consumer = await join(transport);
    // It must have had some: so many of the new queue RabbitMQ 3.10 says it had already.
    for (const id of ['a', 'b', 'c']) {
      await transport.publish([publication(id)]);
      await (await claimOne(consumer)).settle({ kind: 'ack' });
    }
    const claiming = claim(consumer, 1);
    const channel = await raw(vhost);
    await expect.poll(async () => (await channel.checkQueue('celery')).consumerCount).toBe(1);
    await channel.deleteQueue('celery');
    await transport.publish([publication('d')]);
    const [delivery] = await claiming;
    expect(delivery && idOf(delivery)).toBe('d');
    expect(await delivery?.settle({ kind: 'ack' })).toBe('settled');
  });

  it('works with a queue that Python declared otherwise, and names the difference when ours was said', async () => {
    const vhost = server.vhost();
    const channel = await raw(vhost);
    await channel.assertQueue('celery', { durable: true, maxPriority: 10 });
    const transport = await open(vhost);
    await transport.publish([publication('a')]);
    expect(idOf(await claimOne(await join(transport)))).toBe('a');
    const strict = await open(vhost, [{ ...plainQueue('celery'), maxPriority: 5 }]);
    const error = await strict.publish([publication('b')]).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toMatch(/'celery'.*x-max-priority/);
  });

  it('says of a message that it goes nowhere, and delivers the others of the batch', async () => {
    const media = { name: 'media', type: 'topic', durable: true } as const;
    const queue = { ...plainQueue('video'), bindings: [{ exchange: media, routingKey: 'video.#' }] };
    const transport = await open(server.vhost(), [queue]);
    const to = (id: string, routingKey: string) =>
      publication(id, { queue: 'video', exchange: { name: 'media', routingKey } });
    const sending = transport.publish([to('a', 'video.new'), to('b', 'audio.new')]);
    await expect(sending).rejects.toThrow(UnroutableError);
    expect(idOf(await claimOne(await join(transport, ['video'])))).toBe('a');
  });

  it('declares the delays exactly as Celery does', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    await transport.publish([publication('far', { eta: new Date(Date.now() + 3_600_000) })]);
    const channel = await raw(vhost);
    for (let n = 27; n >= 0; n--) {
      await channel.assertExchange(`celery_delayed_${n}`, 'topic', { durable: true });
      await channel.assertQueue(`celery_delayed_${n}`, {
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-overflow': 'reject-publish',
          'x-message-ttl': 2 ** n * 1000,
          'x-dead-letter-exchange': n > 0 ? `celery_delayed_${n - 1}` : 'celery_delayed_delivery',
          'x-dead-letter-strategy': 'at-least-once',
        },
      });
    }
    // 3,599 s: the highest bit is 2^11.
    const { messageCount } = await channel.checkQueue('celery_delayed_11');
    expect(messageCount).toBe(1);
  });

  it('names the option when the queues of the delays are of another type', async () => {
    const vhost = server.vhost();
    const eta = new Date(Date.now() + 3_600_000);
    await (await open(vhost)).publish([publication('far', { eta })]);
    const other = await open(vhost, [], { delayedQueueType: 'classic' });
    const refused = other.publish([publication('b', { eta })]);
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/delayedQueueType/);
  });

  it('hands out what Python sent for later at its time, and keeps none of it in the meantime', async () => {
    const transport = await open();
    const consumer = await join(transport, ['celery'], 2);
    // As a Python sender does where queues are classic: straight to the queue, with the eta on the outside.
    const send = (name: string, count: number, eta: Date): Promise<void> =>
      transport.publish(
        Array.from({ length: count }, (_, n) => ({ ...publication(`${name}${n}`, { eta }), eta: null })),
      );
    await send('much later', 50, new Date(Date.now() + 3_600_000));
    await transport.publish([publication('now')]);
    const now = await claimOne(consumer);
    expect(idOf(now)).toBe('now');
    await now.settle({ kind: 'ack' });
    const eta = new Date(Date.now() + 500);
    await send('soon', 10, eta);
    for (const got = new Set<string>(); got.size < 10; ) {
      const delivery = await claimOne(consumer);
      expect(Date.now()).toBeGreaterThanOrEqual(eta.getTime());
      got.add(idOf(delivery));
      expect(idOf(delivery)).toMatch(/^soon/);
      await delivery.settle({ kind: 'ack' });
    }
  });

  it('keeps body, headers and properties of a dead letter exactly, also of a message that is none of ours', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const consumer = await join(transport);
    const channel = await raw(vhost);
    const body = Buffer.from([0, 255, 1, 10]);
    const options = {
      contentType: 'application/x-strange',
      headers: { n: { deep: [1, 2.5, null, true] }, when: { '!': 'timestamp', value: 1_700_000_000 } },
      messageId: 'theirs',
      type: 'invoice',
      appId: 'shop',
      correlationId: 'c',
      priority: 4,
    };
    channel.publish('', 'celery', body, options);
    const delivery = await claimOne(consumer);
    await delivery.settle({ kind: 'dead', reason: 'undecodable', detail: 'strange' });
    await consumer.close();
    const [letter] = await transport.deadLetters.list();
    expect(letter && Buffer.from(letter.raw).equals(delivery.raw)).toBe(true);
    expect(await transport.deadLetters.replay(letter?.id ?? 0)).toBe(true);
    const found = await channel.get('celery', { noAck: true });
    if (found === false) throw new Error('nothing was replayed');
    expect(found.content.equals(body)).toBe(true);
    const { headers, ...properties } = found.properties;
    expect(headers).toEqual({ ...options.headers, 'x-umbel-replayed': expect.any(Number) });
    expect(properties).toMatchObject({
      messageId: 'theirs',
      type: 'invoice',
      appId: 'shop',
      correlationId: 'c',
      priority: 4,
      contentType: 'application/x-strange',
    });
  });

  it('pushes no more to a worker than it has slots, and the rest goes to who comes', async () => {
    const transport = await open();
    const busy = await join(transport, ['celery'], 3);
    await transport.publish(Array.from({ length: 10 }, (_, n) => publication(`m${n}`)));
    expect(await claim(busy, 3)).toHaveLength(3);
    const other = await join(await open(server.vhost()));
    await other.close();
    expect((await transport.size('celery')).ready).toBe(7);
  });

  it('gives back unclaimed what it was pushed when nobody asks any more', async () => {
    const transport = await open();
    const consumer = await join(transport);
    expect(await claimNothing(consumer)).toEqual([]);
    await transport.publish([publication('a')]);
    const other = await join(transport);
    expect(idOf(await claimOne(other))).toBe('a');
  });

  it('keeps what it was pushed and cannot give back, for whoever comes when it is gone', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const consumer = await join(transport);
    await transport.publish(['a', 'b', 'c'].map((id) => publication(id)));
    let asked = 0;
    // Room for three when the broker is told how many to push, and for one when they are there.
    const [first] = await consumer.claim(() => (asked++ < 2 ? 3 : 1), AbortSignal.timeout(patienceMs));
    const sends = vi
      .spyOn(Publisher.prototype, 'send')
      .mockRejectedValue(new BrokerUnavailable('nothing can be sent'));
    try {
      await consumer.claim(() => 0, AbortSignal.abort());
      await first?.settle({ kind: 'ack' });
      await consumer.close();
    } finally {
      sends.mockRestore();
    }
    const heir = await join(await open(vhost));
    expect((await claim(heir, 2)).map(idOf).sort()).toEqual(['b', 'c']);
  });

  it('counts quarantined messages with their queue and purges them with it, and who comes later finds them', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost, [], { delayedQueueType: 'classic' });
    const crashTwice = async (id: string): Promise<void> => {
      await transport.publish([publication(id)]);
      const consumer = await join(transport);
      for (const crashes of [0, 1]) {
        const delivery = await claimOne(consumer);
        expect(delivery.crashes).toBe(crashes);
        await delivery.settle({ kind: 'release', until: null, crashed: true });
      }
      await consumer.close();
    };
    await crashTwice('a');
    expect(await transport.size('celery')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
    expect(await transport.purge('celery')).toBe(1);
    expect((await transport.size('celery')).ready).toBe(0);
    await crashTwice('b');
    const later = await join(await open(vhost, [], { delayedQueueType: 'classic' }));
    const delivery = await claimOne(later);
    expect([idOf(delivery), delivery.crashes]).toEqual(['b', 2]);
    expect(delivery.message.ok && delivery.message.value.properties.deliveryInfo.routing_key).toBe('celery');
  });

  it('tries the next address when the first does not answer, and shows no password', async () => {
    const vhost = server.vhost();
    const url = `amqp://guest:canary-9@127.0.0.1:1//;${server.url(vhost)}`;
    const transport = await openAmqpTransport(url, { queues: [], driver: {} });
    closing.push(() => transport.close());
    await transport.publish([publication('a')]);
    expect(idOf(await claimOne(await join(transport)))).toBe('a');
    expect(JSON.stringify(transport.status)).not.toContain('canary');
  });

  it('says why it cannot come in: a wrong password, an unknown virtual host', async () => {
    for (const [url, why] of [
      [`amqp://guest:canary-9@127.0.0.1:${server.port}//`, /ACCESS_REFUSED|ACCESS-REFUSED/],
      [server.url('nowhere'), /nowhere/],
    ] as const) {
      const transport = await openAmqpTransport(url, { queues: [], driver: {} });
      closing.push(() => transport.close());
      await until(() => transport.status.reason !== null, 'the first refusal');
      const error = await transport
        .publish([publication('a')], { timeoutMs: 300 })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error)).toMatch(why);
      expect(String(error)).not.toContain('canary');
    }
  });

  it('marks what is sent again after a send in doubt, so that its result is looked up before it runs', async () => {
    const vhost = server.vhost();
    const { proxy, url } = await behindProxy(vhost);
    const transport = await openAmqpTransport(url, { queues: [], driver: {} });
    closing.push(() => transport.close());
    await transport.publish([publication('before')]);
    proxy.weather = { silent: ['reply'] };
    const doubtful = transport.publish([publication('a')], { timeoutMs: 300 });
    await expect(doubtful).rejects.toMatchObject({ code: 'UMBEL_SEND_UNCONFIRMED', taskIds: ['a'] });
    const channel = await raw(vhost);
    await until(async () => (await channel.checkQueue('celery')).messageCount === 2);
    proxy.heal();
    const noticed = new Promise<void>((resolve) => {
      transport.onStatus(({ state }) => state === 'reconnecting' && resolve());
    });
    proxy.cut('reset');
    await within(noticed, 'the loss of the connection');
    await transport.publish([publication('a')], { timeoutMs: patienceMs });
    const three = await claim(await join(await open(vhost)), 3);
    expect(three.map((each) => [idOf(each), each.redelivered])).toEqual([
      ['before', false],
      ['a', false],
      ['a', true],
    ]);
  });

  it('does not die of a connection that is reset while messages are on their way', async () => {
    const vhost = server.vhost();
    const { proxy, url } = await behindProxy(vhost);
    const transport = await openAmqpTransport(url, { queues: [], driver: {} });
    closing.push(() => transport.close());
    const ends = [
      () => server.closeConnections(vhost),
      () => proxy.cut('reset'),
      () => proxy.cut('end'),
      () => proxy.tear('request', 1000), // in the middle of a frame
    ];
    let confirmed = 0;
    const send = async (): Promise<boolean> => {
      try {
        await transport.publish([publication('m')], { timeoutMs: patienceMs });
        confirmed++;
        return true;
      } catch (error) {
        expect(['UMBEL_SEND_UNCONFIRMED', 'UMBEL_BROKER_UNAVAILABLE']).toContain(
          (error as { code?: unknown }).code,
        );
        return false;
      }
    };
    for (const end of ends) {
      await until(send);
      const sending = Promise.all(Array.from({ length: 100 }, send));
      await end();
      await within(sending, 'a word about each of the messages');
    }
    await until(send);
    expect((await transport.size('celery')).ready).toBeGreaterThanOrEqual(confirmed);
  });
});
