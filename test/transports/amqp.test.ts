// What RabbitMQ does to a worker and a sender on a bad day. The contract itself is in the conformance suite.
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AmqpLink } from '../../src/clients/amqp/link.ts';
import { amqpSettings } from '../../src/clients/amqp/settings.ts';
import { BrokerBlocked, BrokerUnavailable, ConfigError, UnroutableError } from '../../src/errors.ts';
import { claim, claimNothing, claimOne, idOf, publication } from '../../src/testing/conformance.ts';
import { type AmqpTransport, openAmqpTransport } from '../../src/transports/amqp/amqp-transport.ts';
import { Publisher } from '../../src/transports/amqp/publisher.ts';
import { plainQueue, type QueueDeclaration } from '../../src/transports/topology.ts';
import type { Consumer, Transport } from '../../src/transports/transport.ts';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

needs(describe, noRabbit)('RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.start();
  }, 60_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  async function open(
    vhost: string = server.vhost(),
    queues: readonly QueueDeclaration[] = [],
    driver: Record<string, unknown> = {},
  ): Promise<AmqpTransport> {
    const transport = await openAmqpTransport(server.url(vhost), { queues, driver });
    closing.push(() => transport.close());
    return transport;
  }

  const join = (transport: Transport, queues = ['celery'], slots = 8): Promise<Consumer> =>
    transport.consume({ queues, name: 'test', leaseMs: 15_000, slots });

  /** The broker, past all of our code. */
  async function raw(vhost: string): Promise<AmqpLink> {
    const link = new AmqpLink(amqpSettings(server.url(vhost), 'broker'));
    closing.push(() => link.close());
    await link.ready(5000);
    return link;
  }

  const state = (transport: Transport, wanted: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (transport.status.state !== wanted) return;
        stop();
        resolve();
      };
      const stop = transport.onStatus(look);
      look();
    });

  describe.each(['classic', 'quorum'] as const)('with %s queues', (type) => {
    const queues = [{ ...plainQueue('celery'), type }];

    it('takes up the work again after all connections were closed, and loses nothing', async () => {
      const vhost = server.vhost();
      const transport = await open(vhost, queues);
      await transport.publish(['a', 'b', 'c'].map((id) => publication(id)));
      const consumer = await join(transport);
      const held = await claim(consumer, 2);
      server.ctl('close_all_connections', '--vhost', vhost, 'test');
      const again = await claim(consumer, 3, 10_000);
      expect(again.map(idOf).sort()).toEqual(['a', 'b', 'c']);
      expect(held.map(({ lost }) => lost.aborted)).toEqual([true, true]);
      expect(await held[0]?.settle({ kind: 'ack' })).toBe('fenced');
      for (const delivery of again) expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
      await transport.publish([publication('d')]);
      expect(idOf(await claimOne(consumer))).toBe('d');
    });
  });

  it('declares a queue again that was deleted under its consumer, and sends to one that was', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const consumer = await join(transport);
    await transport.publish([publication('a')]);
    await (await claimOne(consumer)).settle({ kind: 'ack' });
    const claiming = claim(consumer, 1, 10_000);
    const channel = await (await (await raw(vhost)).ready(5000)).createChannel();
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
    const transport = await open(vhost, [{ ...plainQueue('celery'), type: 'quorum' }]);
    const consumer = await join(transport);
    // It must have had some: so many of the new queue RabbitMQ 3.10 says it had already.
    for (const id of ['a', 'b', 'c']) {
      await transport.publish([publication(id)]);
      await (await claimOne(consumer)).settle({ kind: 'ack' });
    }
    const claiming = claim(consumer, 1, 40_000);
    const channel = await (await (await raw(vhost)).ready(5000)).createChannel();
    await expect.poll(async () => (await channel.checkQueue('celery')).consumerCount).toBe(1);
    await channel.deleteQueue('celery');
    await transport.publish([publication('d')]);
    const [delivery] = await claiming;
    expect(delivery && idOf(delivery)).toBe('d');
    expect(await delivery?.settle({ kind: 'ack' })).toBe('settled');
  }, 60_000);

  it("takes a task that outlasts the broker's consumer timeout for lost, and goes on with a new channel", async () => {
    const set = (timeoutMs: number, tickMs: number): string =>
      server.ctl(
        'eval',
        `[application:set_env(rabbit, K, V) || {K, V} <- [{consumer_timeout, ${timeoutMs}}, {channel_tick_interval, ${tickMs}}]].`,
      );
    set(1000, 300);
    try {
      const transport = await open();
      const consumer = await join(transport);
      await transport.publish([publication('long')]);
      const long = await claimOne(consumer);
      await transport.publish([publication('short')]);
      await (await claimOne(consumer)).settle({ kind: 'ack' });
      if (!long.lost.aborted) await once(long.lost, 'abort', { signal: AbortSignal.timeout(15_000) });
      const again = await claim(consumer, 1, 10_000);
      expect(again.map((each) => [idOf(each), each.redelivered, each.strikes])).toEqual([['long', true, 1]]);
      expect(await long.settle({ kind: 'ack' })).toBe('fenced');
      expect(await again[0]?.settle({ kind: 'ack' })).toBe('settled');
    } finally {
      set(1_800_000, 60_000);
    }
  });

  it('works with a queue that Python declared otherwise, and names the difference when ours was said', async () => {
    const vhost = server.vhost();
    const channel = await (await (await raw(vhost)).ready(5000)).createChannel();
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
    const channel = await (await (await raw(vhost)).ready(5000)).createChannel();
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
    const eta = new Date(Date.now() + 2500);
    // As a Python sender does where queues are classic: straight to the queue, with the eta on the outside.
    const later = Array.from({ length: 50 }, (_, n) => ({ ...publication(`later${n}`, { eta }), eta: null }));
    await transport.publish(later);
    await transport.publish([publication('now')]);
    const first = await claim(consumer, 1);
    expect(first.map(idOf)).toEqual(['now']);
    expect(Date.now()).toBeLessThan(eta.getTime());
    await first[0]?.settle({ kind: 'ack' });
    const got = new Set<string>();
    while (got.size < later.length) {
      const delivery = await claimOne(consumer);
      expect(Date.now()).toBeGreaterThanOrEqual(eta.getTime());
      got.add(idOf(delivery));
      await delivery.settle({ kind: 'ack' });
    }
  });

  it('keeps body, headers and properties of a dead letter exactly, also of a message that is none of ours', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const consumer = await join(transport);
    const channel = await (await (await raw(vhost)).ready(5000)).createChannel();
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
    expect(headers).toEqual({ ...options.headers, 'x-umbel-replayed': 1 });
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
    const [first] = await consumer.claim(() => (asked++ < 2 ? 3 : 1), AbortSignal.timeout(15_000));
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
    expect((await claim(heir, 2, 15_000)).map(idOf).sort()).toEqual(['b', 'c']);
  });

  it('counts suspects with their queue and purges them with it, and who comes later finds them', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost, [], { delayedQueueType: 'classic' });
    const suspect = async (id: string): Promise<void> => {
      await transport.publish([publication(id)]);
      const consumer = await join(transport);
      for (const strikes of [0, 1]) {
        const delivery = await claimOne(consumer);
        expect(delivery.strikes).toBe(strikes);
        await delivery.settle({ kind: 'release', until: null, struck: true });
      }
      await consumer.close();
    };
    await suspect('a');
    expect(await transport.size('celery')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
    expect(await transport.purge('celery')).toBe(1);
    expect((await transport.size('celery')).ready).toBe(0);
    await suspect('b');
    const later = await join(await open(vhost, [], { delayedQueueType: 'classic' }));
    const delivery = await claimOne(later);
    expect([idOf(delivery), delivery.strikes]).toEqual(['b', 2]);
    expect(delivery.message.ok && delivery.message.value.properties.deliveryInfo.routing_key).toBe('celery');
  });

  it('rejects a send at its deadline while the broker is blocked, tells so, and sends when it is over', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    await transport.publish([publication('before')]);
    server.ctl('set_vm_memory_high_watermark', '0.00001');
    try {
      await transport.publish([publication('doubtful')], { timeoutMs: 1500 }).catch(() => undefined);
      await state(transport, 'blocked');
      expect(transport.status.reason).toMatch(/memory|resource/);
      const begun = performance.now();
      const refused = transport.publish([publication('refused')], { timeoutMs: 300 });
      await expect(refused).rejects.toThrow(BrokerBlocked);
      await expect(refused).rejects.toMatchObject({ code: 'UMBEL_BROKER_BLOCKED' });
      expect(performance.now() - begun).toBeLessThan(2000);
    } finally {
      server.ctl('set_vm_memory_high_watermark', '0.4');
    }
    await transport.publish([publication('after')], { timeoutMs: 10_000 });
    expect(transport.status.state).toBe('connected');
    const ids = (await claim(await join(transport), 3)).map(idOf);
    expect(ids).toContain('before');
    expect(ids).toContain('after');
    expect(ids).not.toContain('refused');
  });

  it('resumes within 5 s after the node was killed, with what it had confirmed', async () => {
    const own = await RabbitServerProcess.start();
    closing.push(() => own[Symbol.asyncDispose]());
    const transport = await openAmqpTransport(own.url(), { queues: [], driver: {} });
    closing.push(() => transport.close());
    const consumer = await join(transport);
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    const held = await claimOne(consumer);
    await own.stop('SIGKILL');
    await state(transport, 'reconnecting');
    const down = transport.publish([publication('down')], { timeoutMs: 200 });
    await expect(down).rejects.toThrow(BrokerUnavailable);
    await own.start();
    const begun = performance.now();
    const again = await claim(consumer, 2, 15_000);
    expect(again.map(idOf).sort()).toEqual(['a', 'b']);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await held.settle({ kind: 'ack' })).toBe('fenced');
    await transport.publish([publication('c')]);
    expect(idOf(await claimOne(consumer))).toBe('c');
  }, 60_000);

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
      const error = await transport
        .publish([publication('a')], { timeoutMs: 1000 })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error)).toMatch(why);
      expect(String(error)).not.toContain('canary');
    }
  });

  it('marks what is sent again after a send in doubt, so that its result is looked up before it runs', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    const url = server.url(vhost).replace(String(server.port), String(proxy.port));
    const transport = await openAmqpTransport(url, { queues: [], driver: {} });
    closing.push(() => transport.close());
    await transport.publish([publication('before')]);
    proxy.weather = { silent: ['reply'] };
    const doubtful = transport.publish([publication('a')], { timeoutMs: 300 });
    await expect(doubtful).rejects.toMatchObject({ code: 'UMBEL_SEND_UNCONFIRMED', taskIds: ['a'] });
    proxy.heal();
    const cut = state(transport, 'reconnecting');
    proxy.cut('reset');
    await cut;
    await transport.publish([publication('a')]);
    const three = await claim(await join(await open(vhost)), 3, 10_000);
    expect(three.map((each) => [idOf(each), each.redelivered])).toEqual([
      ['before', false],
      ['a', false],
      ['a', true],
    ]);
  });

  it('does not die of a connection that is reset while messages are on their way', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    await transport.publish([publication('first')]);
    const sending = Promise.allSettled(
      Array.from({ length: 200 }, (_, n) => transport.publish([publication(`m${n}`)], { timeoutMs: 10_000 })),
    );
    server.ctl('close_all_connections', '--vhost', vhost, 'test');
    const outcomes = await sending;
    const confirmed = outcomes.filter(({ status }) => status === 'fulfilled').length;
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect(['UMBEL_SEND_UNCONFIRMED', 'UMBEL_BROKER_UNAVAILABLE']).toContain(outcome.reason.code);
    await transport.publish([publication('last')]);
    expect((await transport.size('celery')).ready).toBeGreaterThanOrEqual(confirmed + 2);
  });
});
