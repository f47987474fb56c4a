// What happens to a Redis server while work goes on: nothing is lost, nothing runs twice, and soon all works again. Default run: a storm, a
// failover, and a server without memory until a send is refused; long run: for 6 s, and a master that dies, a server that stands still for
// 10 s, connections that are killed 100 times.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { inLongRun, isLong, seed } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { prove, type Scene, storm } from './harness/disturbed.ts';
import { onRedis } from './harness/places.ts';
import { seeded } from './harness/random.ts';
import { trialMs } from './harness/trial.ts';

needs(describe, noRedis)(`faults of Redis, seed ${seed}`, { timeout: trialMs }, () => {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
  });
  const fresh = async (): Promise<RedisServerProcess> => {
    // A replica is sent everything at once, and not after the five seconds in which others might ask for it, too.
    const server = await RedisServerProcess.start('--repl-diskless-sync-delay', '0');
    opened.push(server);
    return server;
  };

  it('a server that is out of memory refuses what is new, workers go on, and all goes on when there is room', async () => {
    const server = await fresh();
    const found = await prove('Redis out of memory', { place: onRedis(server) }, async ({ trial }) => {
      server.cli('CONFIG', 'SET', 'maxmemory', '1');
      await until(() => trial.count('fail') > 0, 'a send is refused');
      await until(() => trial.allEnded, 'workers go on');
      if (isLong) await sleep(6000);
      server.cli('CONFIG', 'SET', 'maxmemory', '0');
    });
    expect(found.failures.length).toBeGreaterThan(0);
    for (const failure of found.failures) expect(failure).toMatch(/^BrokerUnavailable: .*maxmemory/);
    expect(found.counts.duplicated).toBe(0);
  });

  it('a failover, and one back again: READONLY is not the end', async () => {
    const [first, second] = [await fresh(), await fresh()];
    second.cli('REPLICAOF', '127.0.0.1', String(first.port));
    await until(() => isReplicated(first), 'the replica has it all');
    const urls = `${first.url()};${second.url()}`;
    const place = { ...onRedis(first), broker: urls, backend: urls };
    const found = await prove('Redis failover', { place }, async (scene) => {
      for (const [from, to] of [
        [first, second],
        [second, first],
      ] as const) {
        await until(() => isReplicated(from), 'the replica has it all');
        from.cli('FAILOVER', 'TO', '127.0.0.1', String(to.port));
        await until(() => to.cli('INFO', 'replication').includes('role:master'), 'it has taken over');
        await goesOn(scene);
      }
    });
    expect(found.counts.duplicated).toBe(0);
  });

  needs(it, inLongRun)(
    'a master that dies: its replica takes over with what had reached it, and work goes on there',
    async () => {
      const [first, second] = [await fresh(), await fresh()];
      second.cli('REPLICAOF', '127.0.0.1', String(first.port));
      await until(() => isReplicated(first), 'the replica has it all');
      const urls = `${first.url()};${second.url()}`;
      const place = { ...onRedis(second), broker: urls, backend: urls };
      // Replication does not wait: the last milliseconds may be missing, of sends, claims and results alike.
      const tolerated = ['lost', 'finishedTwice', 'unexplained', 'falseResult'];
      await prove('Redis master killed', { place, tolerated }, async () => {
        await first.stop('SIGKILL');
        await sleep(1000); // nobody is there
        second.cli('REPLICAOF', 'NO', 'ONE');
      });
    },
  );

  // The storm kills them, too.
  needs(it, inLongRun)('connections that are killed again and again', async () => {
    const server = await fresh();
    const random = seeded(seed);
    const found = await prove('Redis CLIENT KILL storm', { place: onRedis(server) }, async () => {
      for (let round = 0; round < 100; round++) {
        const type = random.below(4) === 0 ? 'pubsub' : 'normal';
        server.cli('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
        await sleep(random.below(200)); // some moment
      }
    });
    expect(found.counts.duplicated).toBe(0);
  });

  it('workers that are killed and connections that are cut at the same time: retries and etas are kept, too', async () => {
    const server = await fresh();
    await storm('Redis storm', { place: onRedis(server), lease: 5 }, (random) => {
      server.cli('CLIENT', 'KILL', 'TYPE', random.below(4) === 0 ? 'pubsub' : 'normal', 'SKIPME', 'yes');
    });
  });

  needs(it, inLongRun)('a server that stands still', async () => {
    const server = await fresh();
    const found = await prove('Redis SIGSTOP', { place: onRedis(server) }, async () => {
      server.signal('SIGSTOP');
      await sleep(10_000);
      server.signal('SIGCONT');
    });
    expect(found.counts.duplicated).toBe(0);
  });
});

/** Whether its replica is there and hears all. */
function isReplicated(master: RedisServerProcess): boolean {
  return master.cli('INFO', 'replication').includes('state=online');
}

/** Resolves when a task has run that was sent from now on. */
async function goesOn({ trial }: Scene): Promise<void> {
  const at = Date.now();
  const sent = (): Set<string> =>
    new Set(trial.ledger.flatMap((entry) => (entry.kind === 'ok' && entry.at > at ? [entry.id] : [])));
  await until(() => {
    const ids = sent();
    return trial.ledger.some((entry) => entry.kind === 'end' && ids.has(entry.id));
  }, 'work goes on');
}
