// Queues and exchanges of RabbitMQ that somebody deletes while messages wait for their time, and sends to what is not there.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { UnroutableError } from '../../../src/errors.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { eventsMessage } from '../../../src/protocol/event.ts';
import { openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { type AmqpChannel, AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import type { FanoutExchange } from '../../../src/stores/fanout.ts';
import { plainQueue, type QueueDeclaration } from '../../../src/stores/topology.ts';
import type { Consumer, Transport } from '../../../src/stores/transport.ts';
import { claim, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patienceMs, until } from '../../until.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What is done every ten seconds is done each second. */
const hurried: Clock = {
  ...systemClock,
  monotonic: () => 10 * systemClock.monotonic(),
  after: (ms, then) => systemClock.after(ms / 10, then),
};

needs(describe, noRabbit)('RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });

  async function open(
    vhost: string,
    clock: Clock = systemClock,
    queues: readonly QueueDeclaration[] = [],
  ): Promise<Transport> {
    const transport = await openAmqpTransport(server.url(vhost), { queues, driver: {} }, clock);
    closing.push(() => transport.close());
    return transport;
  }

  const join = (transport: Transport, ...queues: string[]): Promise<Consumer> =>
    transport.consume({ queues, name: 'test', leaseMs: 15_000, slots: 100 });

  /** The broker, past all of our code. */
  async function raw(vhost: string): Promise<AmqpChannel> {
    const link = new AmqpLink(amqpSettings(server.url(vhost), 'broker'));
    closing.push(() => link.close());
    return (await link.ready(patienceMs)).createChannel();
  }

  /** The exchanges to which the queue is bound. */
  async function bindings(vhost: string, queue: string): Promise<string[]> {
    const all = `rabbit_binding:list_for_destination({resource, <<"${vhost}">>, queue, <<"${queue}">>})`;
    const said = await server.evaluate(
      `[io:format("~ts~n", [S]) || {binding, {resource, _, exchange, S}, _, _, _} <- ${all}]`,
    );
    return said.split('\n');
  }

  /** From where messages come to these exchanges, and where they go. */
  async function waysOf(vhost: string, exchanges: readonly string[]): Promise<string> {
    const all = exchanges
      .map((exchange) => `{resource, <<"${vhost}">>, exchange, <<"${exchange}">>}`)
      .flatMap((name) => [
        `rabbit_binding:list_for_source(${name})`,
        `rabbit_binding:list_for_destination(${name})`,
      ]);
    const said = await server.evaluate(
      `[io:format("~ts ~ts ~ts~n", [S, K, D]) || {binding, {resource, _, _, S}, K, {resource, _, _, D}, _} <- ${all.join(' ++ ')}]`,
    );
    return said.split('\n').sort().join('\n');
  }

  const later = (ids: readonly string[], queue: string, ms = 1100) =>
    ids.map((id) => publication(id, { queue, eta: new Date(Date.now() + ms) }));
  const many = Array.from({ length: 60 }, (_, n) => `m${n}`);

  /** Claims as many, and settles them. */
  async function take(consumer: Consumer, count: number): Promise<string[]> {
    const deliveries = await claim(consumer, count);
    for (const delivery of deliveries) await delivery.settle({ kind: 'ack' });
    return deliveries.map(idOf).sort();
  }

  it('a queue that is deleted under its worker gets what was to come later, and what is sent later', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const consumer = await join(transport, 'a');
    await transport.publish([publication('first', { queue: 'a' })]);
    await take(consumer, 1);
    await transport.publish(later(many, 'a'));
    await (await raw(vhost)).deleteQueue('a');
    expect(await take(consumer, many.length)).toEqual([...many].sort());
    await transport.publish(later(['new'], 'a', 100));
    expect(await take(consumer, 1)).toEqual(['new']);
  });

  describe.each(['classic', 'quorum'] as const)('a %s queue that is deleted under its worker', (type) => {
    const queues = [{ ...plainQueue('a'), type }];

    it('takes nothing along that the worker has, be it begun or not', async () => {
      const vhost = server.vhost();
      const transport = await open(vhost, hurried, queues);
      const consumer = await join(transport, 'a');
      const first = consumer.claim(() => 100, AbortSignal.timeout(patienceMs)); // room for all that follows
      await transport.publish([publication('begun', { queue: 'a' })]);
      const [begun] = await first;
      await transport.publish(['one', 'two'].map((id) => publication(id, { queue: 'a' })));
      await until(async () => (await transport.size('a')).claimed === 3, 'they are with it');
      const channel = await raw(vhost);
      await channel.deleteQueue('a');
      expect(await take(consumer, 2)).toEqual(['one', 'two']);
      expect(await begun?.settle({ kind: 'ack' })).toBe('settled');
      await until(async () => (await transport.size('a')).ready === 0, 'none is left');
      await channel.deleteQueue('a'); // it is nobody's any more to say that one was done
      await consumer.close();
    });
  });

  it('what comes for a queue that is gone is kept, holds up no other queue, and is delivered when a worker serves it again', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const other = await join(transport, 'b');
    await transport.publish(later(many, 'a'));
    await (await raw(vhost)).deleteQueue('a');
    await until(async () => (await transport.unroutable?.())?.get('a') === many.length, 'they lie aside');
    await transport.publish(later(many, 'b'));
    expect(await take(other, many.length)).toEqual([...many].sort());
    expect([...((await transport.unroutable?.()) ?? [])]).toEqual([['a', many.length]]);
    expect(await take(await join(await open(vhost), 'a'), many.length)).toEqual([...many].sort());
  });

  it('a queue that another program has declared anew, and exchanges that somebody has deleted, are bound to the delays again', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost, hurried);
    const consumer = await join(transport, 'a');
    await transport.publish(later(['before'], 'a', 100));
    expect(await take(consumer, 1)).toEqual(['before']);
    const channel = await raw(vhost);
    const taking = take(consumer, 1); // one who asks looks around
    const arrivals = ['celery_delayed_delivery', 'umbel_delayed_delivery', 'umbel_delayed_queues'];
    for (const exchange of arrivals) await channel.deleteExchange(exchange);
    await until(async () => {
      const bound = await bindings(vhost, 'a');
      return arrivals.every((exchange) => bound.includes(exchange));
    }, 'the worker has bound its queue again');
    await transport.publish(later(['one'], 'a', 100));
    expect(await taking).toEqual(['one']);
    for (let n = 0; n < 7; n++) await channel.deleteExchange(`umbel_delayed_${n}`);
    await transport.publish(later(['two'], 'a', 100));
    expect(await take(consumer, 1)).toEqual(['two']);
  });

  it('a level of the delays that somebody has deleted is whole again, though nobody sends for later', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost, hurried);
    const consumer = await join(transport, 'a');
    await transport.publish(later(['before'], 'a', 100));
    expect(await take(consumer, 1)).toEqual(['before']);
    const taking = take(consumer, 1); // one who asks looks around
    const exchanges = ['celery_delayed_0', 'celery_delayed_9', 'umbel_delayed_0', 'umbel_delayed_6'];
    const whole = await waysOf(vhost, exchanges);
    const channel = await raw(vhost);
    for (const name of exchanges) await channel.deleteExchange(name);
    await until(
      async () => (await waysOf(vhost, exchanges)) === whole,
      'the ways to it and from it are there',
    );
    await transport.publish([publication('after', { queue: 'a' })]);
    expect(await taking).toEqual(['after']);
  });

  it('a send to an exchange that is not there is refused, and those beside it succeed', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    await transport.publish([publication('warm')]);
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warn);
    try {
      for (let round = 0; round < 15; round++) {
        const nowhere = { exchange: { name: 'nope', routingKey: 'k' } };
        const refused = transport.publish([publication('bad', nowhere)]).catch((error: unknown) => error);
        const good = Promise.all(['x', 'y', 'z'].map((id) => transport.publish([publication(id)])));
        const error = await refused;
        expect(error).toBeInstanceOf(UnroutableError);
        expect(String(error)).toContain("'nope'");
        await good;
      }
      const both = [publication('bad', { exchange: { name: 'nope', routingKey: 'k' } }), publication('good')];
      await expect(transport.publish(both)).rejects.toThrow(UnroutableError);
    } finally {
      process.off('warning', warn);
    }
    expect(warnings).toEqual([]);
    expect((await transport.size('celery')).ready).toBe(1 + 15 * 3 + 1);
  });

  it('an exchange that goes between two sends is no doubt but a refusal, and one that comes is used', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const channel = await raw(vhost);
    await transport.publish([publication('warm')]);
    await channel.assertExchange('news', 'fanout');
    await channel.bindQueue('celery', 'news', '');
    const news = { exchange: { name: 'news', routingKey: '' } };
    await transport.publish([publication('one', news)]);
    await channel.deleteExchange('news');
    await expect(transport.publish([publication('two', news)])).rejects.toThrow(/no exchange 'news'/);
    await channel.assertExchange('news', 'fanout');
    await channel.bindQueue('celery', 'news', '');
    await transport.publish([publication('three', news)]);
    expect(await take(await join(transport, 'celery'), 3)).toEqual(['one', 'three', 'warm']);
  });

  it('who listens to broadcasts hears them again when somebody has deleted its queue', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    const exchange: FanoutExchange = { name: 'news', type: 'topic', durable: true };
    const heard: string[] = [];
    const where = { exchange, keys: ['#'], queue: 'listener', ttlMs: 60_000, expiresMs: 60_000 };
    const { fanout } = transport;
    if (fanout === null) throw new Error('RabbitMQ has broadcasts');
    await fanout.subscribe(where, (_, key) => void heard.push(key));
    const channel = await raw(vhost);
    for (const round of ['first', 'second']) {
      await channel.deleteQueue('listener');
      let number = 0;
      await until(async () => {
        await fanout.publish(exchange, `${round}.${number++}`, eventsMessage('news', '[]', 'x', 'x'));
        return heard.some((key) => key.startsWith(round));
      }, `a broadcast of the ${round} round is heard`);
    }
  });

  it('a worker can be asked who holds a message when somebody has deleted the queue by which it is asked', async () => {
    const vhost = server.vhost();
    const transport = await open(vhost);
    await join(transport, 'celery');
    const mailboxes = async (): Promise<string[]> => {
      const all = `rabbit_binding:list_for_source({resource, <<"${vhost}">>, exchange, <<"umbel_holders">>})`;
      const said = await server.evaluate(
        `[io:format("~ts~n", [Q]) || {binding, _, _, {resource, _, queue, Q}, _} <- ${all}]`,
      );
      return said.split('\n').filter((line) => line.startsWith('amq.gen'));
    };
    const [before = ''] = await mailboxes();
    const lookup = `rabbit_amqqueue:lookup({resource, <<"${vhost}">>, queue, <<"${before}">>})`;
    await server.evaluate(
      `case ${lookup} of {ok, Q} -> rabbit_amqqueue:delete(Q, false, false, <<"test">>) end`,
    );
    await until(async () => (await mailboxes()).some((name) => name !== before), 'it has another one');
  });
});
