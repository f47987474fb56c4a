// `umbel migrate`: nothing is lost or doubled, wherever it is interrupted.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { marksAt } from '../../src/cli/migrate/marks.ts';
import { move } from '../../src/cli/migrate/move.ts';
import { etaOf, idOf } from '../../src/cli/migrate/reading.ts';
import { migrate } from '../../src/cli/migrate/run.ts';
import { delayedFor, waitingAt } from '../../src/cli/migrate/scheduled.ts';
import { delayedAddress } from '../../src/stores/amqp/declare.ts';
import { openTransport } from '../../src/stores/registry.ts';
import type { Delivery, Transport } from '../../src/stores/transport.ts';
import { needs } from '../needs.ts';
import { scaled } from '../run/scale.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, patienceMs, until } from '../until.ts';
import { project, shop, start, umbel, workerOf } from './harness.ts';

/** How often a migration is killed, and how much there is to move in each life. */
const maxKills = scaled(2, 40);
const perLife = 400;

/** Sends as an application does: `count` calls now with priorities 0 to 9 in turn, then `later` that are to wait for an hour. */
async function fill(
  broker: string,
  count: number,
  later = 0,
  queue = 'celery',
  name = 'shop.add',
): Promise<string[]> {
  await using app = new App('shop', { broker, backend: null, taskPublishTimeout: patience.timeout });
  const add = app.task(name, (x: number, y: number) => x + y);
  const ids: string[] = [];
  while (ids.length < count + later) {
    const calls = Array.from({ length: Math.min(500, count + later - ids.length) }, (_, at) => {
      const n = ids.length + at;
      return add.applyAsync([n, 1], { queue, ...(n < count ? { priority: n % 10 } : { countdown: 3600 }) });
    });
    for (const { id } of await Promise.all(calls)) ids.push(id);
  }
  return ids;
}

interface Found {
  readonly id: string | null;
  readonly priority: number;
  readonly hours: number;
}

/** All that is there, those that wait for their time included. Nothing is settled. */
async function contents(broker: string, queues: readonly string[] = ['celery']): Promise<Found[]> {
  await using from = await openTransport(broker);
  await using waiting = await waitingAt(from, broker, {});
  await using consumer = await from.consume({ queues, name: 'look', leaseMs: 15_000, slots: 10_000 });
  const found: Found[] = [];
  const add = (message: Parameters<typeof idOf>[0]): void => {
    const eta = etaOf(message);
    found.push({
      id: idOf(message),
      priority: message.properties.priority,
      hours: eta === null ? 0 : Math.round((eta.getTime() - Date.now()) / 360_000) / 10,
    });
  };
  for (const queue of queues) while ((await waiting.release(queue)) > 0);
  await until(async () => {
    const deliveries = await consumer.claim(() => 10_000, AbortSignal.timeout(100));
    for (const { message } of deliveries) if (message.ok) add(message.value);
    const left = await Promise.all(queues.map(async (queue) => (await from.size(queue)).ready));
    return left.every((ready) => ready === 0);
  }, 'all messages to be claimed');
  await waiting.drain(
    { queues: new Set(queues), fits: () => true },
    async (_, message) => add(message),
    () => 10_000,
  );
  return found;
}

/** As the command does it, in this process. */
async function moveAll(
  source: string,
  destination: string,
  options: {
    queues?: Record<string, string>;
    limit?: number;
    tasks?: string[];
    timeoutMs?: number;
  } = {},
): Promise<{ data: Record<string, unknown>; said: string[] }> {
  await using app = new App('shop', { broker: 'memory://' });
  const said: string[] = [];
  let data: Record<string, unknown> = {};
  const say = (line: string): void => void said.push(line);
  const output = {
    ...{ json: true, colors: false, say, note: say },
    data: (value: unknown) => {
      data = { ...(value as object) }; // what the command prints with --json
    },
    table: async () => undefined,
    bold: (text: string) => text,
    dim: (text: string) => text,
  };
  await migrate(app, output, {
    ...{ source, destination, limit: options.limit ?? null, forever: false },
    ...{ tasks: options.tasks ?? null, timeoutMs: options.timeoutMs ?? null },
    queues: options.queues === undefined ? null : new Map(Object.entries(options.queues)),
    confirm: async () => true,
  });
  return { data, said };
}

const folderOf = (): string => project({ 'app.js': shop });
const sqlite = (folder: string, name: string): string => `sqlite://${folder}/${name}.db`;
const sorted = (ids: readonly (string | null)[]): string[] => ids.map(String).sort();

test('between embedded stores: all of it moves, with its priority and its time', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  const ids = await fill(source, 130, 20);
  const { data, said } = await moveAll(source, destination);
  expect(data).toEqual({ moved: 150, dead: 0, doubled: 0, complete: true, left: 0, held: 0 });
  expect(said).toEqual(['Moved 150 messages.']);
  const found = await contents(destination);
  expect(sorted(found.map(({ id }) => id))).toEqual(sorted(ids));
  const byId = new Map(found.map((each) => [each.id, each]));
  for (const [n, id] of ids.entries())
    expect(byId.get(id)).toMatchObject(n < 130 ? { priority: n % 10, hours: 0 } : { priority: 0, hours: 1 });
});

test('a worker there runs what was moved', async () => {
  const folder = folderOf();
  const here = `sqlite://.umbel/store.db`;
  const [id = ''] = await fill(sqlite(folder, 'old'), 1);
  const moved = await umbel(folder, ['migrate', sqlite(folder, 'old'), here, '-f']);
  expect(moved).toMatchObject({ code: 0, stdout: 'Moved 1 message.\n', stderr: '' });
  await workerOf(folder);
  const result = await umbel(folder, ['-A', './app.js', 'result', id, '--wait', '60']);
  expect(result.stdout).toBe('1\n');
});

test('some queues, under another name, and no more than so many', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  await fill(source, 5, 0, 'mails');
  await fill(source, 3, 0, 'other');
  const some = { queues: { mails: 'emails' }, limit: 4 };
  expect((await moveAll(source, destination, some)).data).toMatchObject({
    moved: 4,
    left: 1,
    complete: false,
  });
  expect((await moveAll(source, destination, some)).data).toMatchObject({
    moved: 1,
    left: 0,
    complete: true,
  });
  expect(await contents(destination, ['emails'])).toHaveLength(5);
  expect(await contents(source, ['other'])).toHaveLength(3);
});

test('the messages of some tasks; the others stay, with their time', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  await onlySome(source, destination);
  // By the command, as Celery's; what cannot be meant is said.
  const mails = ['migrate', source, destination, '-T', 'shop.mail', '-t', '0.5', '-a', '-f'];
  expect(await umbel(folder, mails)).toMatchObject({
    code: 0,
    stdout: 'Moved 0 messages.\n',
    stderr: expect.stringMatching(/--ack-messages has no effect: it is always so/),
  });
});

/** Of two tasks in one queue, now and later, one moves. */
async function onlySome(source: string, destination: string): Promise<void> {
  const others = await fill(source, 25, 5);
  const wanted = await fill(source, 20, 4, 'celery', 'shop.mail');
  const { data } = await moveAll(source, destination, { tasks: ['shop.mail'] });
  expect(data).toMatchObject({ moved: 24, dead: 0, left: 30 });
  const [here, there] = [await contents(source), await contents(destination)];
  expect(sorted(there.map(({ id }) => id))).toEqual(sorted(wanted));
  expect(there.filter(({ hours }) => hours === 1)).toHaveLength(4);
  expect(sorted(here.map(({ id }) => id))).toEqual(sorted(others));
  expect(here.filter(({ hours }) => hours === 1)).toHaveLength(5);
}

test('with a timeout it waits so long for more', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  await fill(source, 3);
  const began = performance.now();
  const { data } = await moveAll(source, destination, { timeoutMs: 500 });
  expect(data).toMatchObject({ moved: 3, complete: true });
  expect(performance.now() - began).toBeGreaterThan(490);
});

test('it asks first, and refuses a broker that is both source and destination', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  await fill(source, 2);
  const unasked = await umbel(folder, ['migrate', source, destination]);
  expect(unasked.stderr).toMatch(/This moves 2 messages of 'celery' from sqlite.* --force \(-f\)/);
  expect(unasked.code).toBe(2);
  const same = await umbel(folder, ['migrate', source, source, '-f']);
  expect(same.stderr).toContain('the same broker; between queues of one broker: -Q from:to');
  const renamed = await umbel(folder, ['migrate', source, source, '-f', '-Q', 'celery:second']);
  expect(renamed.stdout).toBe('Moved 2 messages.\n');
});

test('what cannot be read goes to the dead letters, and does not hold up the rest', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  await fill(source, 1);
  await using transport = await openTransport(source);
  const { SqliteStore } = await import('../../src/stores/sqlite/sqlite.ts');
  const { store } = transport;
  if (!(store instanceof SqliteStore)) throw new Error('no SQLite');
  await store.write(true, ({ sql }) => {
    sql("INSERT INTO message (queue, priority, envelope) VALUES ('celery', 0, 'no envelope')").run();
    sql("INSERT INTO ready SELECT 'celery', 0, max(seq) FROM message").run();
  });
  const { said } = await moveAll(source, destination);
  expect(said).toEqual([
    'Moved 1 message.',
    '1 message could not be read, and went to the dead letters of the source: umbel dead list',
  ]);
  expect(await transport.deadLetters.count()).toBe(1);
});

/** A transport whose deliveries are never settled: as if the process died each time between publishing and settling. */
function dying(transport: Transport): Transport {
  return new Proxy(transport, {
    get(target, name) {
      if (name === 'consume')
        return async (options: Parameters<Transport['consume']>[0]) => {
          const consumer = await target.consume(options);
          const claim = consumer.claim.bind(consumer);
          consumer.claim = async (capacity, signal) => (await claim(capacity, signal)).map(unsettled);
          return consumer;
        };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function unsettled(delivery: Delivery): Delivery {
  return new Proxy(delivery, {
    get(target, name) {
      if (name === 'settle') return () => Promise.reject(new Error('died'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function dieBetweenPublishAndSettle(source: string, destination: string): Promise<void> {
  await using from = await openTransport(source);
  await using to = await openTransport(destination);
  await using marks = await marksAt(to, destination, {});
  await using waiting = await waitingAt(from, source, {});
  const route = {
    ...{ queues: new Map([['celery', 'celery']]), source, limit: null, forever: false },
    ...{ idleMs: 500, filtered: false, fits: () => true },
    signal: AbortSignal.timeout(patienceMs),
    onMoved: () => undefined,
  };
  await expect(move({ from: dying(from), to, marks, waiting }, route)).rejects.toThrow('died');
}

test('a run that died after publishing and before removing: the next doubles nothing', async () => {
  const folder = folderOf();
  const [source, destination] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  const ids = await fill(source, 40);
  await dieBetweenPublishAndSettle(source, destination);
  expect(await contents(destination)).toHaveLength(40);
  expect((await moveAll(source, destination)).data).toMatchObject({ moved: 40, complete: true });
  expect(sorted((await contents(destination)).map(({ id }) => id))).toEqual(sorted(ids));
  // And back: what was there before is taken again.
  await moveAll(destination, source);
  await moveAll(source, destination);
  expect(sorted((await contents(destination)).map(({ id }) => id))).toEqual(sorted(ids));
});

needs(describe, noRedis)('with Redis', () => {
  test('killed again and again, it loses and doubles nothing', {
    timeout: scaled(90_000, 600_000),
  }, async () => {
    const redis = await RedisServerProcess.shared();
    const folder = folderOf();
    const [source, destination] = [sqlite(folder, 'a'), redis.url()];
    const ids = await fill(source, perLife * (maxKills + 1), 100);
    await using there = await openTransport(destination);
    const moved = async (): Promise<number> => (await there.size('celery')).ready;
    let kills = 0;
    for (let n = 0; n < maxKills; n++) {
      const begun = await moved();
      const run = start(folder, ['migrate', source, destination, '-f', '--json']);
      let over = false;
      const ended = run.ended.finally(() => {
        over = true;
      });
      // In the midst, and each time at another place.
      await until(async () => over || (await moved()) > begun, 'something to be moved');
      await sleep(n % 12);
      run.kill('SIGKILL');
      if ((await ended).signal === 'SIGKILL') kills++;
    }
    expect(kills).toBeGreaterThan(0);
    const { code, stdout } = await umbel(folder, ['migrate', source, destination, '-f', '--json']);
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, complete: true, left: 0, held: 0 });
    const found = await contents(destination);
    expect(found.filter(({ hours }) => hours === 1)).toHaveLength(100);
    expect(sorted(found.map(({ id }) => id))).toEqual(sorted(ids));
  });

  test('from Redis, only the messages of some tasks', async () => {
    const redis = await RedisServerProcess.shared();
    await onlySome(redis.url(), sqlite(folderOf(), 'b'));
  });

  test('from Redis, with what workers have deferred until its time', async () => {
    const redis = await RedisServerProcess.shared();
    const folder = folderOf();
    const [source, destination] = [redis.url(), sqlite(folder, 'b')];
    const ids = await fill(source, 20, 30);
    await dieBetweenPublishAndSettle(source, destination);
    expect((await moveAll(source, destination)).data).toMatchObject({ moved: 50, left: 0, complete: true });
    const found = await contents(destination);
    expect(sorted(found.map(({ id }) => id))).toEqual(sorted(ids));
    expect(found.filter(({ hours }) => hours === 1)).toHaveLength(30);
    expect(await contents(source)).toEqual([]);
  });
});

test('the queue that a delayed message is on its way to is read from its key, dots or not', () => {
  for (const queue of ['celery', 'a.b.c', '0.1', 'umbel_ms']) {
    expect(delayedFor(delayedAddress(queue, 3_600_000).routingKey)).toBe(queue);
    expect(delayedFor(delayedAddress(queue, 1_300).routingKey)).toBe(queue);
  }
  expect(delayedFor('celery')).toBeNull();
});

needs(test, noRabbit)('to RabbitMQ and back, with what waits in its delays', async () => {
  const rabbit = await RabbitServerProcess.shared();
  const folder = folderOf();
  const there = rabbit.url();
  const [source, back] = [sqlite(folder, 'a'), sqlite(folder, 'b')];
  const ids = await fill(source, 30, 20);
  const to = await umbel(folder, ['migrate', source, there, '-f', '--json']);
  expect(JSON.parse(to.stdout)).toMatchObject({ moved: 50, left: 0 });
  const none = await umbel(folder, ['migrate', there, back, '-fj', '-T', 'shop.mail']);
  expect(JSON.parse(none.stdout)).toMatchObject({ moved: 0, dead: 0 });
  const from = await umbel(folder, ['migrate', there, back, '-f', '--json', '-Q', 'celery']);
  expect(JSON.parse(from.stdout)).toMatchObject({ moved: 50, left: 0, complete: true });
  const found = await contents(back);
  expect(sorted(found.map(({ id }) => id))).toEqual(sorted(ids));
  expect(found.filter(({ hours }) => hours === 1)).toHaveLength(20);
});
