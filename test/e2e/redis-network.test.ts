// What happens to the way to Redis, and to a worker that does not answer for a while: nothing is lost, nothing runs twice, and soon all works
// again. Each once, side by side, for they mostly wait; long run: a standstill of 45 s, a slow network that is cut 30 times instead of 3, one
// that is silent for 11 s instead of 1, in both directions.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RedisConnection } from '../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../src/stores/redis/client/settings.ts';
import { needs } from '../needs.ts';
import { inLongRun, scaled, seed } from '../run/scale.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { cutAgainAndAgain, directions, prove, standStill, through } from './harness/disturbed.ts';
import { onRedis } from './harness/places.ts';
import { trialMs } from './harness/trial.ts';

/** An answer that has not come by then does not come. */
const noticedMs = 10_000;

needs(describe.concurrent, noRedis)(`faults of the way to Redis, seed ${seed}`, { timeout: trialMs }, () => {
  it('a worker that stands still writes no result over that of its successor', async () => {
    const server = await RedisServerProcess.shared();
    await standStill('Redis, a worker stands still', { place: onRedis(server), lease: 5 });
  });

  needs(it, inLongRun)('a slow network that is cut again and again', async () => {
    const server = await RedisServerProcess.shared();
    await using proxy = await FaultProxy.before(server.port, 'redis');
    const place = through(onRedis(server), server.port, proxy);
    const found = await prove('Redis, 50 ms and cuts', { place }, async () => {
      await cutAgainAndAgain(proxy);
    });
    expect(found.counts.duplicated).toBe(0);
  });

  it.each(directions)('a network that swallows each %s', async (what) => {
    const server = await RedisServerProcess.shared();
    await using proxy = await FaultProxy.before(server.port, 'redis');
    const place = through(onRedis(server), server.port, proxy);
    const silentMs = scaled(1000, 11_000);
    const unnoticedMs = Math.max(0, noticedMs - silentMs);
    const found = await prove(`Redis, no ${what} arrives`, { place, unnoticedMs }, async () => {
      proxy.weather = { silent: [what] };
      await sleep(silentMs);
      proxy.weather = {};
    });
    expect(found.counts.duplicated).toBe(0);
  });

  it('a connection that is closed while it is being made is gone, and keeps no process', async () => {
    const server = await RedisServerProcess.shared();
    await using proxy = await FaultProxy.before(server.port, 'redis');
    const settings = redisSettings(`redis://127.0.0.1:${proxy.port}/${server.db()}`, 'broker');
    // After so many turns of the event loop: it is somewhere on its way.
    for (let turns = 0; turns < 20; turns++) {
      const connection = await RedisConnection.open(settings);
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      await connection.close();
    }
    await sleep(100); // one that would stay has come by now
    await until(() => proxy.connections.length === 0, 'all connections are gone');
  });
});
