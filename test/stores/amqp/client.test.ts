// Connections to RabbitMQ, above all those whose socket is in a thread.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { needs } from '../../needs.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patienceMs, until, within } from '../../until.ts';

needs(describe, noRabbit)('a steady connection to RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  it('passes large messages whole, in pieces of any size, both ways', async () => {
    await using proxy = await FaultProxy.before(server.port);
    const url = server.url(server.vhost()).replace(String(server.port), String(proxy.port));
    await using link = new AmqpLink(amqpSettings(url, 'broker'), { steady: true, heartbeat: 2 });
    const connection = await link.ready(patienceMs);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    const bodies = [5_000_000, 1, 0, 131_072, 2048].map((size, n) => Buffer.alloc(size, n + 1));
    for (const body of bodies) channel.sendToQueue('q', body);
    await channel.waitForConfirms();
    for (const body of bodies) {
      const got = await channel.get('q', { noAck: true });
      expect(got !== false && got.content.equals(body)).toBe(true);
    }
  });

  it('says why a server cannot be reached, and comes to it when it can', async () => {
    await using proxy = await FaultProxy.before(server.port);
    const url = server.url(server.vhost()).replace(String(server.port), String(proxy.port));
    await using nowhere = new AmqpLink(amqpSettings('amqp://127.0.0.1:1//', 'broker'), { steady: true });
    await until(() => nowhere.state.reason !== null, 'the first refusal');
    await expect(nowhere.ready(1)).rejects.toThrow(/ECONNREFUSED/);
    proxy.isRefusing = true;
    await using link = new AmqpLink(amqpSettings(url, 'broker'), { steady: true });
    await until(() => link.state.reason !== null, 'the first refusal');
    await expect(link.ready(1)).rejects.toThrow(/cannot be reached/);
    proxy.heal();
    await link.ready(patienceMs);
  });

  it('is made anew when its thread has died, and ends with the link', async () => {
    const posted = vi.spyOn(Worker.prototype, 'postMessage');
    const link = new AmqpLink(amqpSettings(server.url(server.vhost()), 'broker'), { steady: true });
    const first = await link.ready(patienceMs);
    const gone = new Promise((resolve) => first.on('close', resolve));
    const thread = posted.mock.contexts[0];
    if (!(thread instanceof Worker)) throw new Error('no thread');
    posted.mockRestore();
    await thread.terminate();
    await within(gone, 'the end of the first connection');
    const second = await link.ready(patienceMs);
    expect(second).not.toBe(first);
    await second.createChannel();
    await link.close();
    await expect(link.ready(patienceMs)).rejects.toThrow(/closed/);
  });
});

needs(describe, noRabbit)('a connection to RabbitMQ', () => {
  it.each([
    ['whose socket is here', false],
    ['whose socket is in a thread', true],
  ])('%s and that is closed in the moment in which it was opened is made anew', async (_, steady) => {
    const server = await RabbitServerProcess.shared();
    await using port = await closesFirst(server.port);
    const url = server.url().replace(`:${server.port}/`, `:${port.number}/`);
    await using link = new AmqpLink(amqpSettings(url, 'broker'), { steady, heartbeat: 2 });
    await until(async () => {
      const connection = await link.ready(patienceMs);
      return connection.createChannel().then(
        () => true,
        () => false,
      );
    }, 'a connection that works');
    expect(port.closed).toBe(1);
  });
});

const openOk = Buffer.from('0100000000000500' + '0a002900ce', 'hex');
/** 320, CONNECTION_FORCED. */
const close = Buffer.from('0100000000000b000a0032014000' + '00000000ce', 'hex');

/** A port of the same server, which closes the first connection in one piece with the word that it is open. */
async function closesFirst(
  target: number,
): Promise<AsyncDisposable & { readonly number: number; readonly closed: number }> {
  let closed = 0;
  const listening = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
    client.pipe(server);
    server.on('data', (bytes) => {
      const isFirst = closed === 0 && bytes.includes(openOk);
      if (isFirst) closed++;
      client.write(isFirst ? Buffer.concat([bytes, close]) : bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    number: address.port,
    get closed() {
      return closed;
    },
    async [Symbol.asyncDispose]() {
      const gone = once(listening, 'close');
      listening.close();
      await gone;
    },
  };
}
