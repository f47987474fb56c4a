// Applications on each broker, for what must be the same on all of them. The servers are started once for a test file.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/app/config.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { newStore } from './bench.ts';
import { MemoryLog } from './memory-log.ts';

/** `rabbitmq`: with results in Redis. */
export type Broker = 'memory' | 'sqlite' | 'redis' | 'rabbitmq';
export const allBrokers: readonly Broker[] = ['memory', 'sqlite', 'redis', 'rabbitmq'];

const servers: { redis: RedisServerProcess | null; rabbit: RabbitServerProcess | null } = {
  redis: null,
  rabbit: null,
};
let redisDb = 0;

/** What a test of all brokers gets: where it is, and a maker of the options that name its stores. */
export type Cases = (broker: Broker, newUrls: () => Promise<{ broker: string; backend?: string }>) => void;

/** The cases for each broker that is here. `define` gets a maker of the options that name its stores. */
export function onEachBroker(brokers: readonly Broker[], define: Cases): void {
  beforeAll(async () => {
    const wantsRabbit = brokers.includes('rabbitmq') && !noRabbit;
    const wantsRedis = (wantsRabbit || brokers.includes('redis')) && !noRedis;
    await Promise.all([
      wantsRabbit && RabbitServerProcess.start().then((server) => (servers.rabbit = server)),
      wantsRedis && RedisServerProcess.start('--databases', '64').then((server) => (servers.redis = server)),
    ]);
  }, 90_000);
  afterAll(async () => {
    await servers.rabbit?.[Symbol.asyncDispose]();
    await servers.redis?.[Symbol.asyncDispose]();
  });
  for (const broker of brokers) {
    const missing = broker === 'redis' ? noRedis : broker === 'rabbitmq' ? (noRabbit ?? noRedis) : undefined;
    describe(`on ${broker}`, { timeout: 40_000 }, () => {
      if (missing !== undefined) beforeEach(({ skip }) => skip(missing));
      define(broker, () => urlsOf(broker));
    });
  }
}

async function urlsOf(broker: Broker): Promise<{ broker: string; backend?: string }> {
  switch (broker) {
    case 'redis':
      return { broker: servers.redis?.url(redisDb++) ?? '' };
    case 'rabbitmq':
      return {
        broker: servers.rabbit?.url(servers.rabbit.vhost()) ?? '',
        backend: servers.redis?.url(redisDb++) ?? '',
      };
    default:
      return { broker: await newStore(broker) };
  }
}

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Closed after the test. */
export function appOn(urls: { broker: string; backend?: string }, options: AppOptions = {}): App {
  const app = new App(`shop-${randomUUID()}`, { workerLease: 2, ...urls, ...options });
  ends.push(() => app.close());
  return app;
}

/** Stopped cold after the test. */
export async function workerOf(
  app: App,
  options: WorkerOptions = {},
): Promise<{ worker: Worker; log: MemoryLog }> {
  const log = new MemoryLog();
  const worker = new Worker(app, { logger: log, name: `w${ends.length}@here`, ...options });
  ends.push(() => worker.stop({ cold: true }));
  await worker.start();
  return { worker, log };
}
