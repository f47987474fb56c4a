// Beats on real servers: where schedules are kept beside RabbitMQ, and what is left when a server loses or refuses.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Beat, Schedules } from '../../src/beat/beat.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { Worker } from '../../src/worker/worker.ts';
import { busy } from '../busy.ts';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';

async function beating(
  options: AppOptions,
): Promise<{ app: App; ran: number[]; beat: Beat } & AsyncDisposable> {
  const app = new App('beats', options);
  const ran: number[] = [];
  const note = app.task('note', (due: number) => void ran.push(due));
  app.schedule(
    'fast',
    '200ms',
    { task: note, args: ({ due }) => [due.getTime()] },
    { missed: 'all', overlap: 'allow' },
  );
  const worker = new Worker(app);
  const beat = new Beat(app, { lease: 3 }); // seconds: kept on a busy machine
  await worker.start();
  await beat.start();
  return {
    app,
    ran,
    beat,
    // Before the servers are gone.
    async [Symbol.asyncDispose]() {
      await beat.stop();
      await worker.stop();
      await app.close();
    },
  };
}

/** Each due time once, none left out. */
function expectEachOnce(ran: readonly number[]): void {
  const inOrder = [...ran].sort((a, b) => a - b);
  expect(inOrder).toEqual(inOrder.map((_, index) => (inOrder[0] ?? 0) + 200 * index));
}

// They mostly wait.
needs(test.concurrent, noRabbit ?? noRedis)(
  'on RabbitMQ, with results and schedules in Redis, each run is run once',
  async () => {
    const rabbit = await RabbitServerProcess.shared();
    const redis = await RedisServerProcess.shared();
    await using beats = await beating({ broker: rabbit.url(), backend: redis.url() });
    await until(() => beats.ran.length >= 10);
    await beats.beat.stop();
    expect(redis.cli('KEYS', 'umbel:beat:*')).toContain('umbel:beat:beats:entries');
    await using schedules = await Schedules.open(beats.app);
    const { sent } = await schedules.get('fast');
    await until(() => beats.ran.length >= sent);
    expectEachOnce(beats.ran);
  },
);

needs(test.concurrent, noRedis ?? noPostgres)(
  'schedules are kept in PostgreSQL, if it is said so',
  async () => {
    const redis = await RedisServerProcess.shared();
    const postgres = await PostgresServerProcess.shared();
    await using beats = await beating({ broker: redis.url(), beatStore: postgres.url() });
    await until(() => beats.ran.length >= 10);
    expect(redis.cli('KEYS', 'umbel:beat:*')).toBe('');
    await using schedules = await Schedules.open(beats.app);
    await schedules.pause('fast');
    // It sent every 200 ms: silent for a second, it has stopped.
    let sent = 0;
    await until(async () => {
      ({ sent } = await schedules.get('fast'));
      await sleep(1000);
      return (await schedules.get('fast')).sent === sent;
    }, 'silence');
    await until(() => beats.ran.length >= sent);
    expectEachOnce(beats.ran);
  },
);

needs(test.concurrent, noRedis)(
  'when Redis has lost everything, the schedules of the code are back within seconds',
  async () => {
    const redis = await RedisServerProcess.shared();
    await using beats = await beating({ broker: redis.url() });
    await until(() => beats.ran.length >= 3);
    redis.cli('FLUSHDB');
    const before = beats.ran.length;
    await until(() => beats.ran.length >= before + 5);
    await using schedules = await Schedules.open(beats.app);
    expect((await schedules.list()).map(({ name }) => name)).toEqual(['fast']);
  },
);

needs(test.concurrent, noRedis)(
  'a beat that starts before its store waits for it; one that loses it stands by, and goes on',
  async () => {
    const redis = await RedisServerProcess.shared();
    await using proxy = await FaultProxy.before(redis.port);
    proxy.isRefusing = true;
    const app = new App('beats', {
      broker: redis.url(),
      beatStore: redis.url().replace(`:${redis.port}/`, `:${proxy.port}/`),
    });
    app.schedule('fast', '200ms', { task: 'note', args: ({ due }) => [due.getTime()] }, { missed: 'all' });
    const lines: string[] = [];
    const say = (_: object, message: string): void => void lines.push(message);
    const logger = { debug: () => {}, info: say, warn: say, error: say, child: () => logger };
    const lease = 3; // seconds: kept on a busy machine
    const beat = new Beat(app, { lease, logger });
    const starting = beat.start();
    await until(() => lines.some((line) => line.includes('waiting for it')));
    proxy.heal();
    await starting;
    await until(() => beat.leads);
    const broker = await app.broker();
    const length = async (): Promise<number> => (await broker.size('celery')).ready;
    await until(async () => (await length()) > 0);
    proxy.weather = { silent: ['request', 'reply'] };
    // Silent until then: a store that answers sooner, perhaps on a busy machine, is renewed by the same beat.
    await until(() => lines.some((line) => line.startsWith('the lead is lost')), 'the lead is lost');
    let silent = 0;
    // It does not send while another might: longer than its lease.
    await until(async () => {
      silent = await length();
      await sleep(1500 * lease);
      return (await length()) === silent;
    }, 'silence');
    proxy.heal();
    proxy.cut('reset');
    await until(() => beat.leads);
    await until(async () => (await length()) >= silent + 10);
    await beat.stop();
    const dues = redis
      .cli('--json', 'LRANGE', 'celery', '0', '99')
      .matchAll(/argsrepr\\?\\?": ?\\?\\?"[([](\d+)/g);
    const sent = [...dues].map((match) => Number(match[1]));
    expect(sent.length).toBeGreaterThan(10);
    expectEachOnce(sent);
    await app.close();
  },
);

needs(test, noRedis)(
  'a beat whose event loop is blocked for longer than its lease is followed, and stands by when it goes on',
  async () => {
    const redis = await RedisServerProcess.shared();
    const app = new App('beats', { broker: redis.url() });
    app.schedule('slow', '1h', 'note');
    const lines: string[] = [];
    const say = (_: object, message: string): void => void lines.push(message);
    const logger = { debug: () => {}, info: say, warn: say, error: say, child: () => logger };
    const beat = new Beat(app, { lease: 1, logger });
    await beat.start();
    await until(() => beat.leads);
    // While this loop stands still, another takes the lead by hand.
    busy(1500);
    redis.cli('HSET', 'umbel:beat:beats:lead', 'holder', 'another');
    redis.cli('HINCRBY', 'umbel:beat:beats:lead', 'fence', '1');
    await until(() => lines.some((line) => line.startsWith('the lead is lost')));
    // The other renews nothing: it is followed in turn.
    await until(() => lines.filter((line) => line === 'leading').length >= 2);
    await beat.stop();
    await app.close();
  },
);
