// What happens to Redis and to the way there while work goes on: nothing is lost, nothing runs twice, and soon all works again.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import {
  cutAgainAndAgain,
  directions,
  isLong,
  prove,
  seed,
  standStill,
  storm,
  through,
} from './harness/disturbed.ts';
import { onRedis } from './harness/places.ts';
import { seeded } from './harness/random.ts';

/** An answer that has not come by then does not come. */
const noticedMs = 10_000;

const opened: AsyncDisposable[] = [];
afterAll(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const add = <T extends AsyncDisposable>(thing: T): T => {
  opened.push(thing);
  return thing;
};

needs(describe, noRedis)(`faults of Redis and of the way to it (FAULTS_SEED=${seed})`, () => {
  const fresh = async (...options: readonly string[]): Promise<RedisServerProcess> =>
    add(await RedisServerProcess.start(...options));

  it('a worker that stands still writes no result over that of its successor', async () => {
    await standStill('Redis, a worker stands still', { place: onRedis(await fresh()), lease: 2 });
  }, 120_000);

  it('a server that is out of memory refuses what is new, workers go on, and all goes on when there is room', async () => {
    const server = await fresh();
    const found = await prove('Redis out of memory', { place: onRedis(server) }, async ({ trial }) => {
      server.cli('CONFIG', 'SET', 'maxmemory', '1');
      await sleep(500);
      const waiting = trial.ledger.filter(({ kind }) => kind === 'ok').length;
      await trial.until(() => trial.sentAndEnded >= waiting, 4000);
      expect(trial.sentAndEnded, 'workers go on').toBeGreaterThanOrEqual(waiting);
      await sleep(isLong ? 6000 : 2000);
      server.cli('CONFIG', 'SET', 'maxmemory', '0');
    });
    expect(found.failures.length).toBeGreaterThan(0);
    for (const failure of found.failures) expect(failure).toMatch(/^BrokerUnavailable: .*maxmemory/);
    expect(found.counts.duplicated).toBe(0);
  }, 60_000);

  it('a failover, and one back again: READONLY is not the end', async () => {
    const [first, second] = [await fresh(), await fresh()];
    second.cli('REPLICAOF', '127.0.0.1', String(first.port));
    await waitFor(() => first.cli('INFO', 'replication').includes('state=online'));
    const urls = `${first.url()};${second.url()}`;
    const place = { ...onRedis(first), broker: urls, backend: urls };
    const found = await prove('Redis failover', { place }, async () => {
      for (const [from, to] of [
        [first, second],
        [second, first],
      ] as const) {
        await waitFor(() => from.cli('INFO', 'replication').includes('state=online'));
        from.cli('FAILOVER', 'TO', '127.0.0.1', String(to.port));
        await waitFor(() => to.cli('INFO', 'replication').includes('role:master'));
        await sleep(1500);
      }
    });
    expect(found.counts.duplicated).toBe(0);
  }, 60_000);

  it('a master that dies: its replica takes over with what had reached it, and work goes on there', async () => {
    const [first, second] = [await fresh(), await fresh()];
    second.cli('REPLICAOF', '127.0.0.1', String(first.port));
    await waitFor(() => first.cli('INFO', 'replication').includes('state=online'));
    const urls = `${first.url()};${second.url()}`;
    const place = { ...onRedis(second), broker: urls, backend: urls };
    // Replication does not wait: the last milliseconds may be missing, of sends, claims and results alike.
    const tolerated = ['lost', 'finishedTwice', 'unexplained', 'falseResult'];
    await prove('Redis master killed', { place, tolerated }, async () => {
      await first.stop('SIGKILL');
      await sleep(1000);
      second.cli('REPLICAOF', 'NO', 'ONE');
    });
  }, 60_000);

  it('connections that are killed again and again', async () => {
    const server = await fresh();
    const random = seeded(seed);
    const found = await prove('Redis CLIENT KILL storm', { place: onRedis(server) }, async () => {
      for (let round = 0; round < (isLong ? 100 : 20); round++) {
        const type = random.below(4) === 0 ? 'pubsub' : 'normal';
        server.cli('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
        await sleep(random.below(200));
      }
    });
    expect(found.counts.duplicated).toBe(0);
  }, 60_000);

  it('workers that are killed and connections that are cut at the same time: retries and etas are kept, too', async () => {
    const server = await fresh();
    await storm('Redis storm', { place: onRedis(server), lease: 5 }, (random) => {
      server.cli('CLIENT', 'KILL', 'TYPE', random.below(4) === 0 ? 'pubsub' : 'normal', 'SKIPME', 'yes');
    });
  }, 180_000);

  it('a server that stands still', async () => {
    const server = await fresh();
    const found = await prove('Redis SIGSTOP', { place: onRedis(server) }, async () => {
      server.signal('SIGSTOP');
      await sleep(isLong ? 10_000 : 3000);
      server.signal('SIGCONT');
    });
    expect(found.counts.duplicated).toBe(0);
  }, 60_000);

  it('a slow network that is cut again and again', async () => {
    const server = await fresh();
    const proxy = add(await FaultProxy.before(server.port, 'redis'));
    const found = await prove(
      'Redis, 50 ms and cuts',
      { place: through(onRedis(server), server.port, proxy) },
      async () => {
        await cutAgainAndAgain(proxy);
      },
    );
    expect(found.counts.duplicated).toBe(0);
  }, 60_000);

  it.each(directions)('a network that swallows each %s', async (what) => {
    const server = await fresh();
    const proxy = add(await FaultProxy.before(server.port, 'redis'));
    const place = through(onRedis(server), server.port, proxy);
    const silentMs = isLong ? 11_000 : 4000;
    const unnoticedMs = Math.max(0, noticedMs - silentMs);
    const found = await prove(`Redis, no ${what} arrives`, { place, unnoticedMs }, async () => {
      proxy.weather = { silent: [what] };
      await sleep(silentMs);
      proxy.weather = {};
    });
    expect(found.counts.duplicated).toBe(0);
  }, 90_000);
});

async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 200) throw new Error('it did not come to that');
    await sleep(25);
  }
}
