// What happens to the way to RabbitMQ, to connections and workers while work goes on: nothing is lost, and soon all works again. Who lives
// goes on with what it runs when it loses its connection: nothing runs again but what was with the killed. What harms the node itself: broker-restart.test.ts. Side
// by side, for they mostly wait. Default run: a storm; long run: a standstill of 45 s, connections closed 10 times, a queue that is deleted
// again and again, a slow network that is cut 30 times, and one that is silent for 11 s, in both directions.
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { AmqpLink } from '../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../src/stores/amqp/client/settings.ts';
import { needs } from '../needs.ts';
import { inLongRun, scaled, seed } from '../run/scale.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { deleteIfNothingWaits } from '../servers/harm.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patienceMs, until } from '../until.ts';
import { guilty } from './harness/checkers.ts';
import { cutAgainAndAgain, directions, prove, standStill, storm, through } from './harness/disturbed.ts';
import { onRabbit } from './harness/places.ts';
import { Trial, trialMs } from './harness/trial.ts';

const missing = noRabbit ?? noRedis;

/** Seconds. Within a sixth of it who lives is back and says so; in the default run on a machine that does much else, too. */
const lease = scaled(30, 15);

needs(describe.concurrent, missing)(
  `faults of the way to RabbitMQ, seed ${seed}`,
  { timeout: trialMs },
  () => {
    const servers = async () => ({
      server: await RabbitServerProcess.shared(),
      results: await RedisServerProcess.shared(),
    });

    needs(it, inLongRun)(
      'a worker that stands still writes no result over that of its successor',
      async () => {
        const { server, results } = await servers();
        // Seconds: its connection is given up after two to three heartbeats, which come at the lease's pace.
        const place = onRabbit(server, results);
        await standStill('RabbitMQ, a worker stands still', { place, heartbeat: 4, lease: 10 });
      },
    );

    // The storm cuts them, too.
    needs(it, inLongRun)('connections that are closed again and again', async () => {
      const { server, results } = await servers();
      const place = onRabbit(server, results);
      await prove('RabbitMQ closes all connections', { place, lease }, async () => {
        for (let round = 0; round < 10; round++) {
          await server.closeConnections(place.vhost);
          await sleep(300); // they come back
        }
      });
    });

    it('workers that are killed and connections that are cut at the same time: retries and etas are kept, too', async () => {
      const { server, results } = await servers();
      await using proxy = await FaultProxy.before(server.port, 'amqp');
      const place = through(onRabbit(server, results), server.port, proxy);
      // Each cut may make the wait for who may be alive begin anew.
      await storm('RabbitMQ storm', { place, lease, restartMs: 40_000 }, (random) => {
        proxy.cut(random.below(2) === 0 ? 'end' : 'reset');
      });
    });

    needs(it, inLongRun)('a slow network that is cut again and again', async () => {
      const { server, results } = await servers();
      await using proxy = await FaultProxy.before(server.port, 'amqp');
      const place = through(onRabbit(server, results), server.port, proxy);
      await prove('RabbitMQ, 50 ms and cuts', { place, lease }, async () => {
        await cutAgainAndAgain(proxy);
      });
    });

    needs(it, inLongRun)(
      'a queue that is deleted again and again while etas and retries wait',
      async ({ skip }) => {
        const { server, results } = await servers();
        const place = onRabbit(server, results);
        await using trial = new Trial({ slots: 4, lease, place });
        const [plain, retrying] = await Promise.all([trial.sender(), trial.sender()]);
        await Promise.all([trial.worker(), trial.worker()]);
        const count = 100;
        const rounds = 10;
        const waitMs = 1500; // as `later` does
        const deleteBefore = async (dueMs: number): Promise<void> =>
          skip((await deleteUnlessDue(server, place.vhost, dueMs)) === 'late', 'the machine stood still');
        for (let round = 1; round <= rounds; round++) {
          const from = [plain.lines.length, retrying.lines.length] as const;
          const before = 3 * count * (round - 1); // with a retry of each second one
          const sentMs = Date.now();
          plain.tell(JSON.stringify({ count, ms: 10, countdown: waitMs }));
          retrying.tell(JSON.stringify({ count, ms: 10, countdown: waitMs, kind: 'later' }));
          await Promise.all([plain.line('sent', from[0]), retrying.line('sent', from[1])]);
          await deleteBefore(sentMs + waitMs); // all wait for their time
          await until(() => trial.count('start') >= before + 2 * count, 'all have begun');
          const begun = trial.ledger.flatMap((entry) =>
            entry.kind === 'start' && entry.at > sentMs ? [entry.at] : [],
          );
          await deleteBefore(Math.min(...begun) + waitMs); // retries wait
          await until(() => trial.count('start') >= before + 3 * count, 'the retries have begun');
        }
        const { report, counts } = await trial.verdict();
        expect(guilty(report), JSON.stringify(report)).toEqual([]);
        expect(counts).toMatchObject({ acknowledged: 2 * rounds * count, ended: 2 * rounds * count });
      },
    );

    for (const what of directions)
      needs(it, inLongRun)(`a network that swallows each ${what}`, async () => {
        const { server, results } = await servers();
        await using proxy = await FaultProxy.before(server.port, 'amqp');
        const place = through(onRabbit(server, results), server.port, proxy);
        await prove(`RabbitMQ, no ${what} arrives`, { place, leasesBreak: true, heartbeat: 2 }, async () => {
          proxy.weather = { silent: [what] };
          await sleep(11_000);
          proxy.weather = {};
        });
      });

    it('a connection that is closed while no answer comes is gone, and keeps no process', async () => {
      const server = await RabbitServerProcess.shared();
      await using proxy = await FaultProxy.before(server.port, 'amqp');
      const url = server.url().replace(`:${server.port}/`, `:${proxy.port}/`);
      const link = new AmqpLink(amqpSettings(url, 'broker'));
      const connection: object = await link.ready(patienceMs);
      const { stream } = Reflect.get(connection, 'connection') as { stream: Socket }; // the library's own
      proxy.weather = { silent: ['reply'] };
      await link.close();
      expect(stream.destroyed).toBe(true);
    });
  },
);

/** Deletes the queue before anything may arrive. `late`: it was not deleted before that. */
async function deleteUnlessDue(
  server: RabbitServerProcess,
  vhost: string,
  dueMs: number,
): Promise<'deleted' | 'none' | 'late'> {
  for (const latestMs = dueMs - 300; Date.now() < latestMs; )
    if (await deleteIfNothingWaits(server, vhost, 'celery')) return Date.now() < dueMs ? 'deleted' : 'late';
  return 'none';
}
