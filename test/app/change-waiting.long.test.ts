// Processes that move messages are killed, again and again: nothing is lost, and what may be there twice is said.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { claimNothing, idOf } from '../../src/testing/conformance.ts';
import { commandOf } from '../e2e/harness/compiled.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { newStore } from '../worker/bench.ts';

const count = 1_000;
const kills = 12;

test('on the embedded store none is lost or doubled', async () => {
  expect(await survivors(await newStore('sqlite'))).toEqual({ distinct: count, all: count });
});

needs(test, noRedis)('on Redis none is lost or doubled', async () => {
  await using server = await RedisServerProcess.shared();
  expect(await survivors(server.url(9))).toEqual({ distinct: count, all: count });
});

needs(test, noRabbit)(
  'on RabbitMQ none is lost, and at most a window of each death is there twice',
  async () => {
    await using server = await RabbitServerProcess.shared();
    const { distinct, all } = await survivors(server.url(server.vhost()));
    expect(distinct).toBe(count);
    expect(all).toBeLessThanOrEqual(count + 100 * kills);
  },
);

async function survivors(url: string): Promise<{ readonly distinct: number; readonly all: number }> {
  await using app = new App('moving', { broker: url, backend: null });
  await Promise.all(Array.from({ length: count }, (_, n) => app.send('t', [n], { queue: 'a' })));
  for (let n = 0; n < kills; n++) {
    const child = spawn(process.execPath, [...commandOf('test/app/move-child.ts'), url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await sleep(50 + 20 * n); // so that each is killed at another place
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const broker = await app.broker();
  // RabbitMQ notices a death a moment later.
  await until(async () => {
    const [a, b] = [await broker.size('a'), await broker.size('b')];
    return a.ready + b.ready >= count;
  });
  await using consumer = await broker.consume({
    queues: ['a', 'b'],
    name: 'test',
    leaseMs: 15_000,
    slots: 100,
  });
  const ids: string[] = [];
  const distinct = new Set<string>();
  const take = async (): Promise<number> => {
    const found = await claimNothing(consumer, 500);
    for (const each of found) ids.push(idOf(each));
    for (const id of ids) distinct.add(id);
    await Promise.all(found.map((each) => each.settle({ kind: 'ack' })));
    return found.length;
  };
  await until(
    async () => {
      await take();
      return distinct.size === count;
    },
    () => `${count} messages, of which ${distinct.size} came`,
  );
  while ((await take()) > 0);
  return { distinct: distinct.size, all: ids.length };
}
