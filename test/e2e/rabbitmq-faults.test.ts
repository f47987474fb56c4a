// What happens to RabbitMQ and to the way there while work goes on: nothing is lost, and soon all works again. Who loses the connection
// loses the lease: what was running then may run again.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, it } from 'vitest';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
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
import { onRabbit } from './harness/places.ts';

const opened: AsyncDisposable[] = [];
afterAll(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const add = <T extends AsyncDisposable>(thing: T): T => {
  opened.push(thing);
  return thing;
};

needs(describe, noRabbit || noRedis)(`faults of RabbitMQ and of the way to it (FAULTS_SEED=${seed})`, () => {
  let server: RabbitServerProcess;
  let results: RedisServerProcess;
  beforeAll(async () => {
    [server, results] = [add(await RabbitServerProcess.start()), add(await RedisServerProcess.start())];
  }, 60_000);

  beforeEach(() => {
    results.cli('FLUSHALL');
  });

  it('a worker that stands still writes no result over that of its successor', async () => {
    await standStill('RabbitMQ, a worker stands still', { place: onRabbit(server, results), heartbeat: 2 });
  }, 120_000);

  it('connections that are closed again and again', async () => {
    const place = onRabbit(server, results);
    await prove('RabbitMQ closes all connections', { place, leasesBreak: true }, async () => {
      for (let round = 0; round < (isLong ? 10 : 3); round++) {
        server.ctl('close_all_connections', 'a test');
        await sleep(300);
      }
    });
  }, 90_000);

  it('workers that are killed and connections that are cut at the same time: retries and etas are kept, too', async () => {
    const proxy = add(await FaultProxy.before(server.port, 'amqp'));
    const place = through(onRabbit(server, results), server.port, proxy);
    // Of two cuts in one second the later one is charged with the repeats of both.
    await storm('RabbitMQ storm', { place, leasesBreak: true, tolerated: ['overBound'] }, (random) => {
      proxy.cut(random.below(2) === 0 ? 'end' : 'reset');
    });
  }, 240_000);

  it('a node that stands still', async () => {
    const place = onRabbit(server, results);
    await prove('RabbitMQ SIGSTOP', { place, leasesBreak: true }, async () => {
      server.signal('SIGSTOP');
      await sleep(isLong ? 10_000 : 3000);
      server.signal('SIGCONT');
    });
  }, 60_000);

  it('a slow network that is cut again and again', async () => {
    const proxy = add(await FaultProxy.before(server.port, 'amqp'));
    const place = through(onRabbit(server, results), server.port, proxy);
    await prove('RabbitMQ, 50 ms and cuts', { place, leasesBreak: true }, async () => {
      await cutAgainAndAgain(proxy);
    });
  }, 60_000);

  it.each(directions)('a network that swallows each %s', async (what) => {
    const proxy = add(await FaultProxy.before(server.port, 'amqp'));
    const place = through(onRabbit(server, results), server.port, proxy);
    await prove(`RabbitMQ, no ${what} arrives`, { place, leasesBreak: true, heartbeat: 2 }, async () => {
      proxy.weather = { silent: [what] };
      await sleep(isLong ? 11_000 : 6000);
      proxy.weather = {};
    });
  }, 90_000);
});
