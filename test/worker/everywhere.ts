// Applications on each broker, for what must be the same on all of them. Each has databases and virtual hosts of its own.
import { randomUUID } from 'node:crypto';
import { describe, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { Worker, type WorkerOptions } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { newStore } from './bench.ts';
import { MemoryLog } from './memory-log.ts';

/** `rabbitmq`: with results in Redis. */
export type Broker = 'memory' | 'sqlite' | 'redis' | 'rabbitmq';
export const allBrokers: readonly Broker[] = ['memory', 'sqlite', 'redis', 'rabbitmq'];

/** What a test of all brokers gets: where it is, and a maker of the options that name its stores. */
export type Cases = (broker: Broker, newUrls: () => Promise<{ broker: string; backend?: string }>) => void;

/** The cases for each broker that is here. `define` gets a maker of the options that name its stores. */
export function onEachBroker(brokers: readonly Broker[], define: Cases): void {
  for (const broker of brokers) {
    const missing = broker === 'redis' ? noRedis : broker === 'rabbitmq' ? (noRabbit ?? noRedis) : undefined;
    needs(describe, missing)(`on ${broker}`, () => define(broker, () => urlsOf(broker)));
  }
}

async function urlsOf(broker: Broker): Promise<{ broker: string; backend?: string }> {
  switch (broker) {
    case 'redis':
      return { broker: await newRedis() };
    case 'rabbitmq': {
      rabbit ??= RabbitServerProcess.shared();
      const server = await rabbit;
      return { broker: server.url(server.vhost()), backend: await newRedis() };
    }
    default:
      return { broker: await newStore(broker) };
  }
}

let rabbit: Promise<RabbitServerProcess> | null = null;
const redisUrls: string[] = [];

/** A database that nobody else has. */
async function newRedis(): Promise<string> {
  if (redisUrls.length === 0) {
    const server = await RedisServerProcess.shared();
    redisUrls.push(...Array.from({ length: 16 }, (_, db) => server.url(db)));
  }
  return redisUrls.pop() ?? newRedis();
}

let workers = 0;

/** Closed after the test. */
export function appOn(urls: { broker: string; backend?: string }, options: AppOptions = {}): App {
  const app = new App(`shop-${randomUUID()}`, { ...urls, ...options });
  onTestFinished(() => app.close());
  return app;
}

/** Stopped cold after the test. */
export async function workerOf(
  app: App,
  options: WorkerOptions = {},
): Promise<{ worker: Worker; log: MemoryLog }> {
  const log = new MemoryLog();
  const worker = new Worker(app, { logger: log, name: `w${++workers}@here`, ...options });
  onTestFinished(() => worker.stop({ cold: true }));
  await worker.start();
  return { worker, log };
}
