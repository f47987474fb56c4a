// What is true of a whole RabbitMQ node: it speaks TLS and both sides prove who they are; it runs out of memory, loses patience with a
// consumer, and is killed.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { BrokerBlocked, BrokerUnavailable } from '../../../src/errors.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import { AmqpDelivery } from '../../../src/stores/amqp/amqp-delivery.ts';
import { openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { openRpcBackend } from '../../../src/stores/amqp/rpc/rpc-backend.ts';
import type { Delivery, Transport } from '../../../src/stores/transport.ts';
import { claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { isLong } from '../../run/scale.ts';
import { type Certificates, makeCertificates, noOpenssl } from '../../servers/certificates.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { freePort } from '../../servers/redis.ts';
import { patienceMs, until, within } from '../../until.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

needs(describe, noRabbit || noOpenssl)('a RabbitMQ node', () => {
  let server: RabbitServerProcess;
  let tlsPort: number;
  let certificates: Certificates;
  beforeAll(async () => {
    certificates = makeCertificates();
    tlsPort = await freePort();
    server = await RabbitServerProcess.start(
      [
        `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
        `ssl_options.cacertfile = ${certificates.ca}`,
        `ssl_options.certfile = ${certificates.server.cert}`,
        `ssl_options.keyfile = ${certificates.server.key}`,
        'ssl_options.verify = verify_peer',
        'ssl_options.fail_if_no_peer_cert = true\n',
      ].join('\n'),
    );
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    certificates?.[Symbol.dispose]();
  });

  async function open(url: string, driver: Record<string, unknown> = {}): Promise<Transport> {
    const transport = await openAmqpTransport(url, { queues: [], driver });
    closing.push(() => transport.close());
    return transport;
  }

  describe('that speaks TLS', () => {
    const identity = () => ({
      caCerts: certificates.ca,
      certfile: certificates.client.cert,
      keyfile: certificates.client.key,
    });

    const openTls = (scheme: string, host: string, ssl: Record<string, unknown>): Promise<Transport> =>
      open(`${scheme}://guest:guest@${host}:${tlsPort}/${server.vhost()}`, { ssl });

    /** Sends one and works on it: two connections, one of them in a thread. */
    async function roundTrip(transport: Transport): Promise<void> {
      await transport.publish([publication('a')], { timeoutMs: patienceMs });
      const consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
      const delivery = await claimOne(consumer);
      expect(idOf(delivery)).toBe('a');
      expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    }

    /** What a sender is told when it has tried to come in. */
    async function refusal(transport: Transport, why: RegExp): Promise<void> {
      await until(() => why.test(transport.status.reason ?? ''), `the reason ${why}`);
      const refused = transport.publish([publication('a')], { timeoutMs: 200 });
      await expect(refused).rejects.toThrow(BrokerUnavailable);
      await expect(refused).rejects.toThrow(why);
    }

    it.each([
      ['amqps', 'localhost'],
      ['amqps', '127.0.0.1'],
      ['amqp', 'localhost'], // Celery: the URL as ever, and broker_use_ssl
    ])('%s://%s is come to with an authority and a certificate of its own', async (scheme, host) => {
      await roundTrip(await openTls(scheme, host, identity()));
    });

    it('is not talked to when nobody vouches for it, unless that is said', async () => {
      const stranger = { ...identity(), caCerts: certificates.stranger };
      const url = `amqps://guest:guest@localhost:${tlsPort}/${server.vhost()}`;
      // A worker's connection, whose socket is in a thread.
      await using steady = new AmqpLink(amqpSettings(url, 'broker', { ssl: stranger }), { steady: true });
      await until(() => /certificate/.test(steady.state.reason ?? ''));
      await expect(steady.ready(1)).rejects.toThrow(/certificate/);
      await refusal(await open(url, { ssl: stranger }), /certificate/);
      await roundTrip(
        await openTls('amqps', 'localhost', { ...identity(), caCerts: null, certReqs: 'none' }),
      );
      if (!isLong) return; // a worker tries for many seconds
      const wary = await open(url, { ssl: stranger, connectionTimeout: 4 });
      const joining = wary.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
      await expect(joining).rejects.toThrow(/certificate/);
    });

    it('is not talked to when it is of another name, unless that is said', async () => {
      const other = { ...identity(), servername: 'elsewhere' };
      await refusal(await openTls('amqps', 'localhost', other), /altnames/);
      await roundTrip(await openTls('amqps', 'localhost', { ...other, checkHostname: false }));
    });

    it('lets nobody in without a certificate when it asks for one', async () => {
      await refusal(await openTls('amqps', 'localhost', { caCerts: certificates.ca }), /./);
    });

    it("is come to with Celery's names for all of that in the settings of an application", async () => {
      const { ca, client } = certificates;
      const app = new App('tls', {
        broker: `amqps://guest:guest@localhost:${tlsPort}/${server.vhost()}`,
        backend: null,
        brokerUseSsl: { ca_certs: ca, certfile: client.cert, keyfile: client.key, cert_reqs: 2 },
      });
      closing.push(() => app.close());
      await roundTrip(await app.broker());
    });
  });

  /** Runs `work` while the node is out of memory, and the transport knows it. */
  async function whileFull(transport: Transport, work: () => Promise<void>): Promise<void> {
    const limit = (share: number): Promise<string> =>
      server.evaluate(`vm_memory_monitor:set_vm_memory_high_watermark(${share})`);
    await limit(0.00001);
    try {
      // A connection is told with the first message that it sends.
      await transport.publish([publication('doubtful')], { timeoutMs: 1500 }).catch(() => undefined);
      await until(() => transport.status.state === 'blocked');
      await work();
    } finally {
      await limit(0.4);
    }
  }

  it('that is out of memory has sends rejected at their deadline, tells so, and takes them when it is over', async () => {
    const transport = await open(server.url(server.vhost()));
    await transport.publish([publication('before')]);
    await whileFull(transport, async () => {
      expect(transport.status.reason).toMatch(/memory|resource/);
      const begun = performance.now();
      const refused = transport.publish([publication('refused')], { timeoutMs: 300 });
      await expect(refused).rejects.toThrow(BrokerBlocked);
      await expect(refused).rejects.toMatchObject({ code: 'UMBEL_BROKER_BLOCKED' });
      expect(performance.now() - begun).toBeGreaterThan(290);
      if (isLong) expect(performance.now() - begun).toBeLessThan(2000);
    });
    await transport.publish([publication('after')], { timeoutMs: patienceMs });
    expect(transport.status.state).toBe('connected');
    const consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const ids: string[] = [];
    while (!ids.includes('after')) ids.push(idOf(await claimOne(consumer)));
    expect(ids).toContain('before');
    expect(ids).not.toContain('refused');
  });

  it('that is out of memory is emptied by a worker that starts then', async () => {
    const vhost = server.vhost();
    const url = server.url(vhost);
    const transport = await open(url);
    await transport.publish(Array.from({ length: 20 }, (_, n) => publication(`m${n}`)));
    await whileFull(transport, async () => {
      const late = await open(url);
      const consumer = await late.consume({ queues: ['celery'], name: 'late', leaseMs: 15_000 });
      for (let n = 0; n < 20; n++)
        expect(await (await claimOne(consumer)).settle({ kind: 'ack' })).toBe('settled');
      await until(
        async () => (await server.queues(vhost)).every(({ messages }) => messages === 0),
        'empty queues',
      );
    });
  });

  it('whose patience with a consumer a task outlasts takes its channel from it, and the task goes on with a new one', async () => {
    const set = (timeoutMs: number, tickMs: number): Promise<string> =>
      server.evaluate(
        `[application:set_env(rabbit, K, V) || {K, V} <- [{consumer_timeout, ${timeoutMs}}, {channel_tick_interval, ${tickMs}}]]`,
      );
    await set(3000, 300);
    try {
      const transport = await open(server.url(server.vhost()));
      const consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
      await transport.publish([publication('long')]);
      const long = await claimOne(consumer);
      const first = channelOf(long);
      const next = claimOne(consumer);
      // It closes the channel on which it was pushed, and pushes it to the next.
      await until(() => channelOf(long) !== first, 'the loss of the channel');
      await set(1_800_000, 300);
      await transport.publish([publication('next')]);
      expect([idOf(await next), long.lost.aborted]).toEqual(['next', false]);
      expect(await long.settle({ kind: 'ack' })).toBe('settled');
    } finally {
      await set(1_800_000, 60_000);
    }
  });

  it('that was killed has lost nothing that it had confirmed, and all that waits for it goes on when it is back', async () => {
    const vhost = server.vhost();
    const broker = server.url(vhost);
    const transport = await open(broker);
    const consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    const held = await claimOne(consumer);
    // Results are sent as messages, too.
    const rpc = async (answerMs: number) => {
      const backend = await openRpcBackend('rpc://', { expiresMs: 86_400_000, broker, answerMs });
      closing.push(() => backend.close());
      return backend;
    };
    const [here, there] = [await rpc(patienceMs), await rpc(patienceMs + 1)];
    const replyTo = (await here.replyTo?.()) ?? '';
    const waiting = endOf(here.watch('task', new AbortController().signal));

    await server.stop('SIGKILL');
    await until(() => transport.status.state === 'reconnecting');
    const down = transport.publish([publication('down')], { timeoutMs: 200 });
    await expect(down).rejects.toThrow(BrokerUnavailable);
    const sending = there.put(record('task'), { replyTo, correlationId: 'task' });
    const impatient = await rpc(200);
    const nowhere = impatient.put(record('b'), { replyTo: 'x', correlationId: 'b' });
    await expect(nowhere).rejects.toThrow(BrokerUnavailable);
    await expect(impatient.replyTo?.()).rejects.toThrow(BrokerUnavailable);

    await server.start();
    const begun = performance.now();
    const other = await claimOne(consumer);
    if (isLong) expect(performance.now() - begun).toBeLessThan(5000);
    expect([held, other].map(idOf).sort()).toEqual(['a', 'b']);
    expect([held.lost.aborted, held.crashes]).toEqual([false, 0]);
    for (const delivery of [held, other]) expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    await transport.publish([publication('c')], { timeoutMs: patienceMs });
    expect(idOf(await claimOne(consumer))).toBe('c');
    await within(sending, 'the confirmation of the result');
    const result = await within(waiting, 'the result').catch(async (error: unknown) => {
      // It was red once without a cause that could be found: what the node knows of the queue tells which side it was.
      const consumers = await server.ask('list_consumers', '-p', vhost);
      const queues = await server.ask(
        'list_queues',
        '-p',
        vhost,
        'name',
        'messages_ready',
        'messages_unacknowledged',
      );
      throw new Error(`the reply queue is ${replyTo}; ${queues}; ${consumers}`, { cause: error });
    });
    expect(result).toBe(5);
  });
});

/** The channel on which it is to be acknowledged now. */
function channelOf(delivery: Delivery): unknown {
  if (!(delivery instanceof AmqpDelivery)) throw new TypeError('not of this driver');
  return delivery.feed;
}

const record = (taskId: string): ResultRecord => ({
  taskId,
  status: 'SUCCESS',
  result: 5,
  traceback: null,
  children: [],
  dateDone: new Date(1_700_000_000_000),
});

async function endOf(records: AsyncIterable<ResultRecord>): Promise<unknown> {
  for await (const { result } of records) return result;
  return undefined;
}
