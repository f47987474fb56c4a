// Consumers on one Redis behind a network where each command and each answer takes a while, in the order of each connection, and where
// connections are cut; their room comes and goes. Whatever the order of events, nothing is held by two, and all ends once.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { RedisConnection } from '../../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { maxReadMs } from '../../../src/stores/redis/read-time.ts';
import { openRedisTransport, RedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import type { Consumer, Delivery } from '../../../src/stores/transport.ts';
import { idOf, publication } from '../../../src/testing/conformance.ts';
import { type Random, seeded } from '../../e2e/harness/random.ts';
import { needs } from '../../needs.ts';
import { scaled, seed } from '../../run/scale.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patienceMs, until } from '../../until.ts';

const seeds = scaled(1, 100);
const messages = 150;
const consumers = 3;
const slots = 4;

needs(describe, noRedis)('consumers that race', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each(
    Array.from({ length: seeds }, (_, n) => seed + n),
  )('hold each message alone and end it once, seed %i', async (each) => {
    server.cli('FLUSHDB');
    const random = seeded(each);
    await using proxy = await FaultProxy.before(server.port, 'redis');
    proxy.weather = {
      get latencyMs() {
        return random.below(3) === 0 ? random.below(12) : 0;
      },
    };
    const url = server.url().replace(String(server.port), String(proxy.port));
    const found = await new Race(proxy, url, random).run();
    expect(found, `seed ${each}`).toEqual([]);
  });
});

class Race {
  readonly #proxy: FaultProxy;
  readonly #url: string;
  readonly #random: Random;
  readonly #sent: string[] = [];
  readonly #holders = new Map<string, number>();
  readonly #ended = new Set<string>();
  readonly #found: string[] = [];
  readonly #over = new AbortController();

  constructor(proxy: FaultProxy, url: string, random: Random) {
    this.#proxy = proxy;
    this.#url = url;
    this.#random = random;
  }

  /** What went wrong. */
  async run(): Promise<readonly string[]> {
    const opened: AsyncDisposable[] = [];
    const add = <T extends AsyncDisposable>(thing: T): T => {
      opened.push(thing);
      return thing;
    };
    // The look that is due some seconds after a cut connection comes soon: here the server knows at once that it is cut.
    const clock: Clock = {
      ...systemClock,
      after: (ms, then) => systemClock.after(ms === maxReadMs ? this.#random.below(300) : ms, then),
    };
    const working = [];
    for (let n = 0; n < consumers; n++) {
      const connection = await RedisConnection.open(redisSettings(this.#url, 'broker', {}));
      const transport = add(new RedisTransport(connection, [], clock));
      const consumer = add(
        await transport.consume({ queues: ['celery'], name: `c${n}`, leaseMs: 30_000, slots }),
      );
      working.push(this.#work(consumer, n));
    }
    const sender = add(await openRedisTransport(this.#url, { queues: [], driver: {} }));
    const cutting = this.#cut();
    await this.#send(sender);
    await until(() => this.#ended.size === messages).catch(() =>
      this.#found.push(`only ${this.#ended.size} of ${messages} ended`),
    );
    this.#over.abort();
    await Promise.all([cutting, ...working]);
    for (const thing of opened.reverse()) await thing[Symbol.asyncDispose]();
    return this.#found;
  }

  async #send(sender: RedisTransport): Promise<void> {
    while (this.#sent.length < messages) {
      const count = 1 + this.#random.below(this.#random.below(4) === 0 ? 12 : 2);
      const ids = Array.from(
        { length: Math.min(count, messages - this.#sent.length) },
        (_, n) => `m${this.#sent.length + n}`,
      );
      this.#sent.push(...ids);
      const priority = this.#random.below(4) === 0 ? 5 : 0;
      await sender.publish(
        ids.map((id) => publication(id, { once: true, priority })),
        { timeoutMs: patienceMs },
      );
      await sleep(this.#random.below(30));
    }
  }

  async #cut(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await sleep(100 + this.#random.below(500));
      for (const connection of this.#proxy.connections)
        if (this.#random.below(4) === 0) connection.cut(this.#random.below(2) === 0 ? 'end' : 'reset');
    }
  }

  async #work(consumer: Consumer, me: number): Promise<void> {
    const running = new Set<Promise<void>>();
    while (!this.#over.signal.aborted) {
      const patience = AbortSignal.timeout(5 + this.#random.below(200));
      const deliveries = await consumer.claim(() => slots - running.size, patience).catch(() => []);
      for (const delivery of deliveries) {
        const run = this.#task(delivery, me).finally(() => running.delete(run));
        running.add(run);
      }
      if (running.size === slots) await Promise.race(running);
      else if (this.#random.below(8) === 0) await sleep(this.#random.below(40));
    }
    await Promise.all(running);
  }

  async #task(delivery: Delivery, me: number): Promise<void> {
    const id = idOf(delivery);
    const holder = this.#holders.get(id);
    if (holder !== undefined) this.#found.push(`${id} came to ${me} while ${holder} held it`);
    if (this.#ended.has(id)) this.#found.push(`${id} came to ${me} after it had ended`);
    this.#holders.set(id, me);
    await sleep(this.#random.below(25));
    const isAck = this.#random.below(6) > 0;
    for (;;) {
      try {
        // Another may claim it before we hear that it is given back.
        if (!isAck) this.#holders.delete(id);
        const settled = await delivery.settle(isAck ? { kind: 'ack' } : { kind: 'release', until: null });
        if (settled !== 'settled') this.#found.push(`${id}: ${settled}`);
        if (isAck) {
          this.#ended.add(id);
          this.#holders.delete(id);
        }
        return;
      } catch {
        await sleep(10); // no connection
      }
    }
  }
}
