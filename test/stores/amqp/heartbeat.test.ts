// Who lives, as RabbitMQ sees it: heartbeats that user code cannot stop, and that stop with the process.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { busy } from '../../busy.ts';
import { needs } from '../../needs.ts';
import { isLong } from '../../run/scale.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patienceMs, until, within } from '../../until.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** So short that waiting for its absence takes some seconds, so long that a busy machine keeps it. */
const heartbeatMs = 2000;

needs(describe, noRabbit)('RabbitMQ and a busy process', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  it('a task that blocks the event loop for several heartbeats keeps its lease', async () => {
    const url = server.url(server.vhost());
    const driver = { heartbeat: heartbeatMs / 1000 };
    const transport = await openAmqpTransport(url, { queues: [], driver });
    closing.push(() => transport.close());
    const consumer = await transport.consume({ queues: ['celery'], name: 'busy', leaseMs: 15_000 });
    // The same without the thread: that the server does end such a connection.
    const plain = new AmqpLink(amqpSettings(url, 'broker', driver));
    closing.push(() => plain.close());
    const connection = await plain.ready(patienceMs);
    const lost = new Promise((resolve) => connection.on('error', resolve));
    await transport.publish([publication('long')]);
    const delivery = await claimOne(consumer);
    busy(3.5 * heartbeatMs); // the server gives up one that was silent for two to three of them
    await within(lost, 'the loss of the connection without a thread');
    await sleep(1.5 * heartbeatMs); // what the client itself holds of the server's silence
    expect(delivery.lost.aborted).toBe(false);
    expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    await transport.publish([publication('next')], { timeoutMs: patienceMs });
    const next = await claimOne(consumer);
    expect([idOf(next), next.crashes, next.redelivered]).toEqual(['next', 0, false]);
  });

  it('a worker that is silent without having died loses its tasks', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    const url = server.url(vhost).replace(String(server.port), String(proxy.port));
    const silent = await openAmqpTransport(url, { queues: [], driver: {} });
    closing.push(() => silent.close());
    const leaseMs = 2.5 * heartbeatMs; // heartbeats are so many that its end is noticed in time
    const doomed = await silent.consume({ queues: ['celery'], name: 'silent', leaseMs });
    await silent.publish([publication('a')]);
    const held = await claimOne(doomed);
    const other = await openAmqpTransport(server.url(vhost), { queues: [], driver: {} });
    closing.push(() => other.close());
    const heir = await other.consume({ queues: ['celery'], name: 'heir', leaseMs: 15_000 });
    proxy.weather = { silent: ['request', 'reply'] };
    const since = performance.now();
    const inherited = await claimOne(heir);
    if (isLong) expect(performance.now() - since, 'within its lease and a little').toBeLessThan(2 * leaseMs);
    expect([idOf(inherited), inherited.crashes]).toEqual(['a', 1]);
    expect(await inherited.settle({ kind: 'ack' })).toBe('settled');
    proxy.heal();
    proxy.cut('reset');
    // It comes back, and hears that it was taken for dead.
    await until(() => held.lost.aborted, 'it has lost the task');
    expect(await held.settle({ kind: 'ack' })).toBe('fenced');
  });
});
