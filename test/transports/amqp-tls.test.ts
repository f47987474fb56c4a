// RabbitMQ over TLS: both sides prove who they are.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { claimOne, idOf, publication } from '../../src/testing/conformance.ts';
import { openAmqpTransport } from '../../src/transports/amqp/amqp-transport.ts';
import type { Transport } from '../../src/transports/transport.ts';
import { needs } from '../needs.ts';
import { type Certificates, makeCertificates, noOpenssl } from '../servers/certificates.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { freePort } from '../servers/redis.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

needs(describe, noRabbit || noOpenssl)('RabbitMQ over TLS', () => {
  let server: RabbitServerProcess;
  let port: number;
  let certificates: Certificates;
  beforeAll(async () => {
    certificates = makeCertificates();
    port = await freePort();
    server = await RabbitServerProcess.start(
      [
        `listeners.ssl.1 = 127.0.0.1:${port}`,
        `ssl_options.cacertfile = ${certificates.ca}`,
        `ssl_options.certfile = ${certificates.server.cert}`,
        `ssl_options.keyfile = ${certificates.server.key}`,
        'ssl_options.verify = verify_peer',
        'ssl_options.fail_if_no_peer_cert = true\n',
      ].join('\n'),
    );
  }, 60_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    certificates?.[Symbol.dispose]();
  });

  const identity = () => ({
    caCerts: certificates.ca,
    certfile: certificates.client.cert,
    keyfile: certificates.client.key,
  });

  async function open(scheme: string, host: string, ssl: Record<string, unknown>): Promise<Transport> {
    const url = `${scheme}://guest:guest@${host}:${port}/${server.vhost()}`;
    const transport = await openAmqpTransport(url, { queues: [], driver: { ssl, connectionTimeout: 2 } });
    closing.push(() => transport.close());
    return transport;
  }

  /** Sends one and works on it: two connections, one of them in a thread. */
  async function roundTrip(transport: Transport): Promise<void> {
    await transport.publish([publication('a')]);
    const consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const delivery = await claimOne(consumer);
    expect(idOf(delivery)).toBe('a');
    expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
  }

  it.each([
    ['amqps', 'localhost'],
    ['amqps', '127.0.0.1'],
    ['amqp', 'localhost'], // Celery: the URL as ever, and broker_use_ssl
  ])('%s://%s with an authority and a certificate of its own', async (scheme, host) => {
    await roundTrip(await open(scheme, host, identity()));
  });

  it('does not talk to a server for whom nobody vouches, unless that is said', async () => {
    const wary = await open('amqps', 'localhost', { ...identity(), caCerts: certificates.stranger });
    const refused = wary.publish([publication('a')], { timeoutMs: 1500 });
    await expect(refused).rejects.toThrow(BrokerUnavailable);
    await expect(refused).rejects.toThrow(/certificate/);
    await expect(wary.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 })).rejects.toThrow(
      /certificate/,
    );
    await roundTrip(await open('amqps', 'localhost', { ...identity(), caCerts: null, certReqs: 'none' }));
  });

  it('does not talk to a server of another name, unless that is said', async () => {
    const wary = await open('amqps', '127.0.0.2', identity());
    await expect(wary.publish([publication('a')], { timeoutMs: 800 })).rejects.toThrow(BrokerUnavailable);
    const other = { ...identity(), servername: 'elsewhere' };
    const refused = (await open('amqps', 'localhost', other)).publish([publication('a')], {
      timeoutMs: 1500,
    });
    await expect(refused).rejects.toThrow(/altnames/);
    await roundTrip(await open('amqps', 'localhost', { ...other, checkHostname: false }));
  });

  it('is not let in without a certificate where the server asks for one', async () => {
    const unknown = await open('amqps', 'localhost', { caCerts: certificates.ca });
    await expect(unknown.publish([publication('a')], { timeoutMs: 1500 })).rejects.toThrow(BrokerUnavailable);
  });

  it("takes Celery's names for all of that in the settings of an application", async () => {
    const { ca, client } = certificates;
    const app = new App('tls', {
      broker: `amqps://guest:guest@localhost:${port}/${server.vhost()}`,
      backend: null,
      brokerUseSsl: { ca_certs: ca, certfile: client.cert, keyfile: client.key, cert_reqs: 2 },
    });
    closing.push(() => app.close());
    const transport = await app.broker();
    await roundTrip(transport);
  });
});
