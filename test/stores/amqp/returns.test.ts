// Messages that come back from workers whose connections broke: who lives keeps them, and is charged with nothing.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AmqpConsumer } from '../../../src/stores/amqp/amqp-consumer.ts';
import { openAmqpTransport } from '../../../src/stores/amqp/amqp-transport.ts';
import { plainQueue } from '../../../src/stores/topology.ts';
import type { Consumer, Delivery, Transport } from '../../../src/stores/transport.ts';
import { idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../../servers/rabbitmq.ts';
import { until } from '../../until.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Of it a sixth is how long one who lives may be away: long on a slow machine, too. */
const leaseMs = 60_000;
/** Where its end is waited for. */
const shortLeaseMs = 6000;

/** A worker that claims all the time, as long as its slots are not full, and settles what it is told to. */
class Busy {
  readonly transport: Transport;
  readonly consumer: Consumer;
  readonly held = new Map<string, Delivery>();
  readonly #stopping = new AbortController();
  readonly #looping: Promise<void>;
  #room: () => void = () => undefined;

  private constructor(transport: Transport, consumer: Consumer, slots: number) {
    this.transport = transport;
    this.consumer = consumer;
    this.#looping = this.#loop(slots);
  }

  static async join(url: string, type: 'classic' | 'quorum', slots = 4, lease = leaseMs): Promise<Busy> {
    const queues = [{ ...plainQueue('celery'), type }];
    const transport = await openAmqpTransport(url, { queues, driver: { delayedQueueType: 'classic' } });
    closing.push(() => transport.close());
    const consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: lease, slots });
    const busy = new Busy(transport, consumer, slots);
    closing.push(() => busy.stop());
    return busy;
  }

  async settle(id: string): Promise<string | undefined> {
    const delivery = this.held.get(id);
    for (;;) {
      const settled = await delivery?.settle({ kind: 'ack' }).catch(() => 'again');
      if (settled === 'again') continue; // it is not known yet who has it
      this.held.delete(id);
      this.#room();
      return settled;
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#room();
    await this.#looping;
  }

  async #loop(slots: number): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const room = (): number => slots - this.held.size;
      if (room() <= 0) await new Promise<void>((resolve) => (this.#room = resolve));
      for (const delivery of await this.consumer.claim(room, signal)) this.held.set(idOf(delivery), delivery);
    }
  }
}

needs(describe, noRabbit)('RabbitMQ, a message whose worker', () => {
  let server: RabbitServerProcess;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
  });

  /** Nothing is left, also not in a worker's hand. */
  async function nothingIsLeft(vhost: string, ...workers: readonly Busy[]): Promise<void> {
    for (const worker of workers) {
      await worker.stop();
      await worker.consumer.close();
    }
    const transport = await openAmqpTransport(server.url(vhost), { queues: [], driver: {} });
    closing.push(() => transport.close());
    // RabbitMQ may tell the length of a quorum queue as it was a moment ago.
    await until(async () => (await transport.size('celery')).ready === 0, 'an empty queue');
    expect(await transport.deadLetters.count()).toBe(0);
  }

  describe.each(['classic', 'quorum'] as const)('on %s queues', (type) => {
    it('loses its connection again and again stays with it, begins nowhere else, and is charged with no death', async () => {
      const vhost = server.vhost();
      const [one, two] = [await Busy.join(server.url(vhost), type), await Busy.join(server.url(vhost), type)];
      const long = Array.from({ length: 6 }, (_, n) => `long-${n}`); // more than one of them has room for
      await one.transport.publish(long.map((id) => publication(id)));
      const all = (): string[] => [...one.held.keys(), ...two.held.keys()].sort();
      await until(() => all().length === long.length, 'all are taken');
      const before = [[...one.held.values()], [...two.held.values()]];
      for (let cut = 0; cut < 6; cut++) {
        await server.closeConnections(vhost);
        const fresh = `fresh-${cut}`;
        await until(
          () =>
            one.transport.publish([publication(fresh)]).then(
              () => true,
              () => false,
            ),
          'a send',
        );
        await until(() => one.held.has(fresh) || two.held.has(fresh), 'they work again');
        for (const worker of [one, two]) if (worker.held.has(fresh)) await worker.settle(fresh);
        expect(all()).toEqual(long);
      }
      expect([[...one.held.values()], [...two.held.values()]]).toEqual(before);
      for (const worker of [one, two]) {
        for (const [id, delivery] of worker.held) {
          expect([delivery.lost.aborted, delivery.crashes, await worker.settle(id)]).toEqual([
            false,
            0,
            'settled',
          ]);
        }
      }
      await nothingIsLeft(vhost, one, two);
    });
  });

  /** One behind the proxy that holds the message `a`, and another that could get it. */
  async function holderAndOther(
    vhost: string,
    proxy: FaultProxy,
  ): Promise<readonly [away: Busy, other: Busy]> {
    const behind = server.url(vhost).replace(String(server.port), String(proxy.port));
    const away = await Busy.join(behind, 'classic');
    await away.transport.publish([publication('a')]);
    await until(() => away.held.has('a'), 'it has it');
    return [away, await Busy.join(server.url(vhost), 'classic')];
  }

  it('ends it while it has no connection has ended it, though another got the message', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    const [away, other] = await holderAndOther(vhost, proxy);
    proxy.cut('reset');
    expect(await away.settle('a')).toBe('settled');
    await other.transport.publish([publication('b')]);
    await until(() => other.held.has('b') || away.held.has('b'), 'they go on');
    for (const worker of [other, away]) if (worker.held.has('b')) await worker.settle('b');
    await until(async () => (await queueOf(vhost)) === 0, 'who has it has acknowledged it');
    expect([...other.held.keys(), ...away.held.keys()]).toEqual([]);
    await nothingIsLeft(vhost, other, away);
  });

  it('has acknowledged it on a connection that swallowed that is not run again', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    const [away, other] = await holderAndOther(vhost, proxy);
    proxy.weather = { silent: ['request'] };
    expect(await away.settle('a')).toBe('settled');
    proxy.heal();
    proxy.cut('reset');
    await until(async () => (await queueOf(vhost)) === 0, 'nobody holds it any more');
    expect([...other.held.keys(), ...away.held.keys()]).toEqual([]);
    await nothingIsLeft(vhost, other, away);
  });

  it('loses the queue that it came from ends it all the same', async () => {
    const vhost = server.vhost();
    const worker = await Busy.join(server.url(vhost), 'classic', 4, shortLeaseMs);
    await worker.transport.publish([publication('a')]);
    await until(() => worker.held.has('a'), 'it has it');
    await server.evaluate(
      `{ok, Q} = rabbit_amqqueue:lookup({resource, <<"${vhost}">>, queue, <<"celery">>}), rabbit_amqqueue:delete(Q, false, false, <<"test">>)`,
    );
    await worker.transport.publish([publication('b')]);
    await until(() => worker.held.has('b'), 'the queue is there again');
    for (const id of ['a', 'b']) expect(await worker.settle(id)).toBe('settled');
    await nothingIsLeft(vhost, worker);
  });

  it('dies while another keeps it for him is charged with that death, and comes to who lives', async () => {
    const vhost = server.vhost();
    await using proxy = await FaultProxy.before(server.port);
    const behind = server.url(vhost).replace(String(server.port), String(proxy.port));
    const doomed = await Busy.join(behind, 'classic', 1, shortLeaseMs);
    await doomed.transport.publish([publication('a')]);
    await until(() => doomed.held.has('a'), 'it has it');
    const other = await Busy.join(server.url(vhost), 'classic', 4, shortLeaseMs);
    proxy.cut('reset');
    await until(() => other.transport.size('celery').then(({ claimed }) => claimed === 1), 'it is kept');
    await doomed.stop();
    if (doomed.consumer instanceof AmqpConsumer) await doomed.consumer.die();
    await until(() => other.held.has('a'), 'it has come');
    expect(other.held.get('a')?.crashes).toBe(1);
    await other.settle('a');
  });

  /** How many messages a queue has, held ones included. */
  async function queueOf(vhost: string): Promise<number> {
    const queues = await server.queues(vhost);
    return queues.find(({ name }) => name === 'celery')?.messages ?? -1;
  }
});
