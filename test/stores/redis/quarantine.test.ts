// A quarantined message on Redis is held alone, whatever claims and blocking reads are under way.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isQuarantined } from '../../../src/stores/quarantine.ts';
import { RedisConsumer } from '../../../src/stores/redis/redis-consumer.ts';
import { openRedisTransport, type RedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import type { Consumer, Delivery } from '../../../src/stores/transport.ts';
import { claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patienceMs, until } from '../../until.ts';

needs(describe, noRedis)('quarantined messages on Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.start();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  beforeEach(() => void server.cli('FLUSHALL'));

  const open = (): Promise<RedisTransport> =>
    openRedisTransport(server.url(), { queues: [], driver: { prioritySteps: [0] } });
  const join = (transport: RedisTransport, slots: number): Promise<Consumer> =>
    transport.consume({ queues: ['celery'], name: 'test', leaseMs: 6000, slots, quarantineMs: 60_000 });

  /** Puts a message there that two owners died holding. */
  async function crashTwice(transport: RedisTransport, id: string): Promise<void> {
    await transport.publish([publication(id, { queue: 'elsewhere' })]);
    const stored = server.cli('RPOP', 'elsewhere');
    server.cli('LPUSH', 'umbel:quarantine:celery', `0:{"umbel":[2,0],${stored.slice(1)}`);
  }

  function heldAtServer(consumer: Consumer): number {
    if (!(consumer instanceof RedisConsumer)) throw new TypeError('not of this driver');
    return Number(server.cli('HLEN', `umbel:claimed:${consumer.id}`));
  }

  it('are alone though blocking reads were under way when they came; what those bring is for others', async () => {
    await using transport = await open();
    await using sender = await open();
    await using consumer = await join(transport, 8);
    const claiming = consumer.claim(() => 8, AbortSignal.timeout(patienceMs));
    await until(() => /BLMOVE|blmove/.test(server.cli('CLIENT', 'LIST')));
    await crashTwice(sender, 'quarantined');
    expect((await claiming).map(idOf)).toEqual(['quarantined']);
    const next = consumer.claim(() => 7, AbortSignal.timeout(patienceMs));
    await sender.publish([publication('fresh')]);
    await until(async () => (await sender.size('celery')).ready === 1);
    expect(heldAtServer(consumer)).toBe(1);
    await using other = await join(sender, 1);
    expect(idOf(await claimOne(other))).toBe('fresh');
    await sender.publish([publication('last')]);
    const [held] = await claiming;
    await held?.settle({ kind: 'ack' });
    expect((await next).map(idOf)).toEqual(['last']);
  });

  it('are alone among many that come and go, with two claims under way', async () => {
    const [slots, total] = [32, 600];
    await using transport = await open();
    await using sender = await open();
    await using consumer = await join(transport, slots);
    const held = new Set<Delivery>();
    const ended = new Set<string>();
    const wrong: string[] = [];
    const over = new AbortController();
    const late = setTimeout(() => over.abort(), patienceMs);
    const run = async (delivery: Delivery): Promise<void> => {
      const isAlone = isQuarantined(delivery.crashes);
      await sleep(isAlone ? 20 : ended.size % 4);
      if (isAlone && (held.size > 1 || heldAtServer(consumer) > 1))
        wrong.push(`${idOf(delivery)} was not alone: ${[...held].map(idOf)}`);
      held.delete(delivery);
      await delivery.settle({ kind: 'ack' });
      ended.add(idOf(delivery));
      if (ended.size === total + 5) over.abort();
    };
    const working = (async () => {
      while (!over.signal.aborted) {
        const claimed = await consumer.claim(() => slots - held.size, over.signal);
        for (const delivery of claimed) held.add(delivery);
        if (claimed.some(({ crashes }) => isQuarantined(crashes)) && held.size > 1)
          wrong.push(`claimed beside others: ${[...held].map(idOf)}`);
        for (const delivery of claimed) void run(delivery);
        await sleep(0);
      }
    })();
    for (let n = 0; n < total; n += 20) {
      if (n % 120 === 60) await crashTwice(sender, `quarantined-${n}`);
      await sender.publish(Array.from({ length: 20 }, (_, each) => publication(`m${n + each}`)));
      if (n > total / 2) await sleep(5); // from here on blocking reads bring some of them
    }
    await working;
    clearTimeout(late);
    expect(wrong).toEqual([]);
    expect(ended.size).toBe(total + 5);
  });
});
