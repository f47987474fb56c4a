// Who lives, as RabbitMQ sees it: heartbeats that user code cannot stop, and that stop with the process.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AmqpLink } from '../../src/clients/amqp/link.ts';
import { amqpSettings } from '../../src/clients/amqp/settings.ts';
import { claim, claimOne, idOf, publication } from '../../src/testing/conformance.ts';
import { openAmqpTransport } from '../../src/transports/amqp/amqp-transport.ts';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** As a task with a long computation does. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

needs(describe, noRabbit)('RabbitMQ and a busy process', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.start();
  }, 60_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  it('a task that blocks the event loop for six heartbeats keeps its lease', async () => {
    const url = server.url(server.vhost());
    const driver = { heartbeat: 1 };
    const transport = await openAmqpTransport(url, { queues: [], driver });
    closing.push(() => transport.close());
    const consumer = await transport.consume({ queues: ['celery'], name: 'busy', leaseMs: 15_000 });
    // The same without the thread: that the server does end such a connection.
    const plain = new AmqpLink(amqpSettings(url, 'broker', driver));
    closing.push(() => plain.close());
    const lost = new Promise((resolve) => void plain.ready(5000).then((each) => each.on('error', resolve)));
    await plain.ready(5000);
    await transport.publish([publication('long')]);
    const delivery = await claimOne(consumer);
    block(6000);
    await lost;
    await sleep(1500); // what the client itself holds of the server's silence
    expect(delivery.lost.aborted).toBe(false);
    expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    await transport.publish([publication('next')]);
    const next = await claimOne(consumer);
    expect([idOf(next), next.strikes, next.redelivered]).toEqual(['next', 0, false]);
  }, 30_000);

  it('a worker that is silent without having died loses its tasks within its lease and a little', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    const silent = await openAmqpTransport(
      server.url(vhost).replace(String(server.port), String(proxy.port)),
      {
        queues: [],
        driver: {},
      },
    );
    closing.push(() => silent.close());
    const doomed = await silent.consume({ queues: ['celery'], name: 'silent', leaseMs: 3000 });
    await silent.publish([publication('a')]);
    const held = await claimOne(doomed);
    const other = await openAmqpTransport(server.url(vhost), { queues: [], driver: {} });
    closing.push(() => other.close());
    const heir = await other.consume({ queues: ['celery'], name: 'heir', leaseMs: 3000 });
    proxy.weather = { silent: ['request', 'reply'] };
    const [inherited] = await claim(heir, 1, 10_000);
    expect(inherited && [idOf(inherited), inherited.strikes]).toEqual(['a', 1]);
    expect(await inherited?.settle({ kind: 'ack' })).toBe('settled');
    expect(held.lost.aborted || (await held.settle({ kind: 'ack' })) === 'fenced').toBe(true);
  }, 30_000);
});
