// How soon what was sent is there, on each driver: the conformance suites judge no speed. On a machine that does little else.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { openPostgresBackend } from '../../src/stores/postgres/postgres-backend.ts';
import { claimOne, publication } from '../../src/testing/conformance.ts';
import { needs } from '../needs.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patienceMs } from '../until.ts';
import { amqpStore } from './amqp-store.ts';
import { redisStore } from './redis-store.ts';
import { Opened } from './run.ts';
import { type Store, sqliteStore } from './stores.ts';

let rabbit: RabbitServerProcess;
let redis: RedisServerProcess;
let postgres: PostgresServerProcess;
beforeAll(async () => {
  if (noRabbit === undefined) rabbit = await RabbitServerProcess.shared();
  if (noRedis === undefined) redis = await RedisServerProcess.shared();
  if (noPostgres === undefined) postgres = await PostgresServerProcess.shared();
});

/** The middle one: any may fall together with anything. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const transports: readonly [string, string | undefined, () => Pick<Store, 'openTransport' | 'remove'>][] = [
  ['sqlite', undefined, sqliteStore],
  ['redis', noRedis, () => redisStore(() => redis)],
  ['rabbitmq, classic queues', noRabbit, () => amqpStore(() => rabbit, 'classic')],
  ['rabbitmq, quorum queues', noRabbit, () => amqpStore(() => rabbit, 'quorum')],
];

describe.each(transports)('%s', (_, missing, newStore) => {
  const opened = new Opened();
  let store: ReturnType<typeof newStore>;
  beforeAll(() => {
    if (missing === undefined) store = newStore();
  });
  afterAll(async () => {
    await opened.close();
    await store?.remove();
  });
  const open = async () => opened.add(await store.openTransport());

  needs(test, missing)('wakes another process at once', async () => {
    const [sender, receiver] = [await open(), await open()];
    const consumer = await receiver.consume({ queues: ['a'], name: 'prompt', leaseMs: 15_000 });
    const latencies: number[] = [];
    for (let n = 0; n < 51; n++) {
      const claiming = claimOne(consumer);
      await sleep(20); // it waits by now
      const sent = performance.now();
      await sender.publish([publication(`m${n}`, { queue: 'a' })]);
      const delivery = await claiming;
      latencies.push(performance.now() - sent);
      await delivery.settle({ kind: 'ack' });
    }
    expect(median(latencies)).toBeLessThan(200);
  });

  needs(test, missing)('has a message soon after its eta', async () => {
    const transport = await open();
    const consumer = await transport.consume({ queues: ['b'], name: 'prompt', leaseMs: 15_000 });
    const lateness: number[] = [];
    for (let n = 0; n < 11; n++) {
      const claiming = claimOne(consumer);
      await transport.publish([publication('far', { queue: 'b', eta: new Date(Date.now() + 3_600_000) })]);
      const eta = new Date(Date.now() + 100 + 37 * n);
      await transport.publish([publication(`m${n}`, { queue: 'b', eta })]);
      const delivery = await claiming;
      lateness.push(Date.now() - eta.getTime());
      await delivery.settle({ kind: 'ack' });
    }
    expect(median(lateness)).toBeLessThan(300);
    expect(Math.max(...lateness)).toBeLessThan(2000);
  });
});

const backends: readonly [string, string | undefined, () => Pick<Store, 'openBackend' | 'remove'>][] = [
  ['sqlite', undefined, sqliteStore],
  ['redis', noRedis, () => redisStore(() => redis)],
  [
    'postgresql',
    noPostgres,
    () => ({
      openBackend: ({ expiresMs }) => openPostgresBackend(postgres.url(), { expiresMs }),
      remove: async () => {},
    }),
  ],
];

describe.each(backends)('%s', (_, missing, newStore) => {
  needs(test, missing)('wakes one who waits for a result in another process at once', async () => {
    const store = newStore();
    const opened = new Opened();
    try {
      const options = { expiresMs: 60_000 };
      const [here, there] = [
        opened.add(await store.openBackend(options)),
        opened.add(await store.openBackend(options)),
      ];
      const latencies: number[] = [];
      for (let n = 0; n < 51; n++) {
        const record: ResultRecord = {
          taskId: `t${n}`,
          status: 'SUCCESS',
          result: n,
          traceback: null,
          children: [],
          dateDone: new Date(),
        };
        const watching = here
          .watch(record.taskId, AbortSignal.timeout(patienceMs))
          [Symbol.asyncIterator]()
          .next();
        await sleep(20); // it waits by now
        const put = performance.now();
        await there.put(record);
        expect((await watching).value?.result).toBe(n);
        latencies.push(performance.now() - put);
      }
      expect(median(latencies)).toBeLessThan(300);
    } finally {
      await opened.close();
      await store.remove();
    }
  });
});
