// Dead letters lie in a queue of RabbitMQ: what is left when the one who looks at them, or replays them, goes away in the middle.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { type AmqpTransport, openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { AmqpLink } from '../../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../../src/stores/amqp/client/settings.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { needs } from '../../needs.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { patienceMs, until } from '../../until.ts';
import { MemoryLog } from '../../worker/memory-log.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

needs(describe, noRabbit)('dead letters on RabbitMQ', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  async function open(url: string): Promise<AmqpTransport> {
    const transport = await openAmqpTransport(url, { queues: [], driver: {} });
    closing.push(() => transport.close());
    return transport;
  }

  /** An application whose task is rejected at first, and its dead letters. */
  async function dead(url: string, count: number): Promise<{ app: App; ran: string[]; accept(): void }> {
    const app = new App('shop', { broker: url, backend: `memory://${crypto.randomUUID()}` });
    closing.push(() => app.close());
    const ran: string[] = [];
    let accepts = false;
    app.task('shop.pack', { bind: true, acksOnFailure: false }, (task) => {
      if (!accepts) throw new Error('not yet');
      ran.push(task.request.id);
    });
    const worker = new Worker(app, { logger: new MemoryLog(), name: 'w@here', concurrency: 1 });
    closing.push(() => worker.stop({ cold: true }));
    await worker.start();
    for (let at = 0; at < count; at++) await app.send('shop.pack', [], { taskId: `call-${at}` });
    await until(async () => (await app.deadLetters.count()) === count);
    return {
      app,
      ran,
      accept: () => {
        accepts = true;
      },
    };
  }

  it('of one who goes away while looking none is lost, and all lie in their order', async () => {
    const vhost = server.vhost();
    const { app } = await dead(server.url(vhost), 6);
    await using proxy = await FaultProxy.before(server.port, 'amqp');
    const reader = await open(server.url(vhost).replace(String(server.port), String(proxy.port)));
    const loss = proxy.lose('reply', 4, 'basic.deliver');
    await expect(reader.deadLetters.list()).rejects.toThrow();
    expect(loss.lost).not.toBeNull();
    await until(async () => (await app.deadLetters.count()) === 6);
    const calls: (string | undefined)[] = [];
    for await (const { call } of app.deadLetters.list()) calls.unshift(call?.id);
    expect(calls).toEqual(['call-0', 'call-1', 'call-2', 'call-3', 'call-4', 'call-5']);
  });

  it('a replay that goes away after it has sent leaves it twice, and it runs once', async () => {
    const vhost = server.vhost();
    const { app, ran, accept } = await dead(server.url(vhost), 1);
    accept();
    await using proxy = await FaultProxy.before(server.port, 'amqp');
    const cut = await open(server.url(vhost).replace(String(server.port), String(proxy.port)));
    const [id = 0] = await app.deadLetters.find({});
    const loss = proxy.lose('request', 1, 'basic.ack');
    await cut.deadLetters.replay(id).catch(() => undefined);
    expect(loss.lost).not.toBeNull();
    await until(() => ran.length === 1);
    await until(async () => (await app.deadLetters.find({})).includes(id));
    expect((await app.deadLetters.replay(id)).done).toEqual([id]);
    const transport = await app.broker();
    await until(async () => {
      const { ready, claimed } = await transport.size('celery');
      return ready + claimed === 0;
    });
    expect(await app.deadLetters.count()).toBe(0);
    await app.send('shop.pack', [], { taskId: 'after' });
    await until(() => ran.includes('after'));
    expect(ran).toEqual(['call-0', 'after']);
  });

  it('what another program has put there is found again, and can be discarded', async () => {
    const vhost = server.vhost();
    const { app, ran, accept } = await dead(server.url(vhost), 1);
    await using link = new AmqpLink(amqpSettings(server.url(vhost), 'broker'));
    const channel = await (await link.ready(patienceMs)).createConfirmChannel();
    channel.publish('', 'umbel.dead', Buffer.from('what is this'), { contentType: 'text/plain' });
    await channel.waitForConfirms();
    const [id = 0, ...others] = await app.deadLetters.find({ text: 'what is this' });
    expect(others).toEqual([]);
    expect((await app.deadLetters.get(id))?.call).toBeNull();
    await expect(app.deadLetters.replay(id)).rejects.toMatchObject({
      code: 'UMBEL_NOT_REPLAYABLE',
      ids: [id],
    });
    await app.send('shop.pack', [], { taskId: 'call-1' });
    await until(async () => (await app.deadLetters.count()) === 3);
    accept();
    await expect(app.deadLetters.replay({})).rejects.toMatchObject({ ids: [id] }); // those around it are replayed
    await until(() => ran.length === 2);
    expect((await app.deadLetters.discard(id)).done).toEqual([id]);
    expect(await app.deadLetters.count()).toBe(0);
  });
});
