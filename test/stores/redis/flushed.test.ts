// A server that has lost everything while consumers waited.
import { expect, test } from 'vitest';
import { App } from '../../../src/app/app.ts';
import type { RedisConsumer } from '../../../src/stores/redis/redis-consumer.ts';
import { openRedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { claim, idOf, publication } from '../../../src/testing/conformance.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { needs } from '../../needs.ts';
import { scaled } from '../../run/scale.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patience, until } from '../../until.ts';
import { MemoryLog } from '../../worker/memory-log.ts';

needs(test, noRedis)(
  'a consumer that waits while Redis loses everything gets each message that is sent afterwards',
  async () => {
    await using server = await RedisServerProcess.start();
    await using transport = await openRedisTransport(server.url(), { queues: [], driver: {} });
    const consumer = (await transport.consume({
      queues: ['celery'],
      name: 'test',
      leaseMs: 1500,
    })) as RedisConsumer; // for its id
    await using _ = consumer;
    const waiting = claim(consumer, 1);
    await until(() => server.cli('CLIENT', 'LIST').includes('cmd=blmove'));
    const before = consumer.id;
    server.cli('FLUSHALL');
    // Its blocking read still takes for the name that is gone.
    await until(() => !['', before].includes(consumer.id));
    await transport.publish([publication('a')]);
    const [first] = await waiting;
    expect(first && idOf(first)).toBe('a');
    await first?.settle({ kind: 'ack' });
    await transport.publish([publication('b')]);
    const [second] = await claim(consumer, 1);
    expect(second && idOf(second)).toBe('b');
    await second?.settle({ kind: 'ack' });
    expect(server.cli('KEYS', 'umbel:taken:*')).toBe('');
  },
);

needs(test, noRedis)(
  'a worker that waits while Redis loses everything runs once each task that is sent afterwards, and records its result',
  async () => {
    await using server = await RedisServerProcess.start();
    await using app = new App('flushed', { broker: server.url(), backend: server.url() });
    const runs: number[] = [];
    const count = app.task('count', (n: number) => {
      runs.push(n);
      return n;
    });
    const worker = new Worker(app, { concurrency: 2, logger: new MemoryLog() });
    await worker.start();
    const sent: number[] = [];
    for (let round = 0; round < scaled(15, 300); round++) {
      const reads = (): number => server.cli('CLIENT', 'LIST').match(/cmd=blmove/g)?.length ?? 0;
      await until(() => reads() === 4);
      server.cli('FLUSHALL');
      const numbers = [1, 2, 3, 4, 5].map((n) => 10 * round + n);
      sent.push(...numbers);
      const results = await Promise.all(numbers.map((n) => count.delay(n)));
      expect(await Promise.all(results.map((result) => result.get(patience)))).toEqual(numbers);
    }
    await worker.stop();
    expect(runs.sort((a, b) => a - b)).toEqual(sent);
    expect(server.cli('KEYS', 'umbel:taken:*')).toBe('');
    expect(server.cli('KEYS', 'umbel:claimed:*')).toBe('');
  },
);
