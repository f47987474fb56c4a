// Beats on real servers: where schedules are kept beside RabbitMQ, and what is left when a server loses or refuses.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/app/config.ts';
import { Beat, Schedules } from '../../src/beat/beat.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

async function beating(options: AppOptions): Promise<{ app: App; ran: number[] } & AsyncDisposable> {
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
  const beat = new Beat(app, { lease: 1 });
  await worker.start();
  await beat.start();
  return {
    app,
    ran,
    // Before the servers are gone.
    async [Symbol.asyncDispose]() {
      await beat.stop();
      await worker.stop();
      await app.close();
    },
  };
}

const isSoon = (what: () => boolean | Promise<boolean>, timeout = 20_000): Promise<void> =>
  vi.waitFor(
    async () => {
      if (!(await what())) throw new Error('not yet');
    },
    { timeout, interval: 20 },
  );

/** Each due time once, none left out. */
const inOrder = (ran: readonly number[]): number[] => [...ran].sort((a, b) => a - b);
const expected = (ran: readonly number[]): number[] => {
  const first = Math.min(...ran);
  return ran.map((_, index) => first + 200 * index);
};

needs(test, noRabbit ?? noRedis)(
  'on RabbitMQ, with results and schedules in Redis, each run is run once',
  { timeout: 60_000 },
  async () => {
    await using rabbit = await RabbitServerProcess.start();
    await using redis = await RedisServerProcess.start();
    await using beats = await beating({ broker: rabbit.url(), backend: redis.url() });
    await isSoon(() => beats.ran.length >= 10);
    expect(inOrder(beats.ran)).toEqual(expected(beats.ran));
    expect(redis.cli('KEYS', 'umbel:beat:*')).toContain('umbel:beat:beats:entries');
    await using schedules = await Schedules.open(beats.app);
    expect((await schedules.get('fast')).sent).toBeGreaterThanOrEqual(10);
  },
);

needs(test, noRedis ?? noPostgres)(
  'schedules are kept in PostgreSQL, if it is said so',
  { timeout: 60_000 },
  async () => {
    await using redis = await RedisServerProcess.start();
    await using postgres = await PostgresServerProcess.start();
    await using beats = await beating({ broker: redis.url(), beatStore: postgres.url() });
    await isSoon(() => beats.ran.length >= 10);
    expect(inOrder(beats.ran)).toEqual(expected(beats.ran));
    expect(redis.cli('KEYS', 'umbel:beat:*')).toBe('');
    await using schedules = await Schedules.open(beats.app);
    await schedules.pause('fast');
    const { sent } = await schedules.get('fast');
    await sleep(1500);
    expect((await schedules.get('fast')).sent - sent).toBeLessThanOrEqual(8);
  },
);

needs(test, noRedis)(
  'when Redis has lost everything, the schedules of the code are back within seconds',
  { timeout: 60_000 },
  async () => {
    await using redis = await RedisServerProcess.start();
    await using beats = await beating({ broker: redis.url() });
    await isSoon(() => beats.ran.length >= 3);
    redis.cli('FLUSHALL');
    const before = beats.ran.length;
    await isSoon(() => beats.ran.length >= before + 5);
    await using schedules = await Schedules.open(beats.app);
    expect((await schedules.list()).map(({ name }) => name)).toEqual(['fast']);
  },
);

needs(test, noRedis)(
  'a beat that starts before its store waits for it; one that loses it stands by, and goes on',
  { timeout: 60_000 },
  async () => {
    await using redis = await RedisServerProcess.start();
    await using proxy = await FaultProxy.before(redis.port);
    proxy.isRefusing = true;
    const app = new App('beats', { broker: redis.url(), beatStore: `redis://127.0.0.1:${proxy.port}/0` });
    app.schedule('fast', '200ms', { task: 'note', args: ({ due }) => [due.getTime()] }, { missed: 'all' });
    const lines: string[] = [];
    const say = (_: object, message: string): void => void lines.push(message);
    const logger = { debug: () => {}, info: say, warn: say, error: say, child: () => logger };
    const beat = new Beat(app, { logger });
    const starting = beat.start();
    await isSoon(() => lines.some((line) => line.includes('waiting for it')), 20_000);
    proxy.heal();
    await starting;
    await isSoon(() => beat.leads, 20_000);
    proxy.weather = { silent: ['request', 'reply'] };
    await isSoon(() => !beat.leads);
    const length = (): number => Number(redis.cli('LLEN', 'celery'));
    const silent = length();
    await sleep(1000);
    // It does not send while another might.
    expect(length()).toBe(silent);
    proxy.heal();
    proxy.cut('reset');
    await isSoon(() => beat.leads, 20_000);
    await isSoon(() => length() >= silent + 10);
    await beat.stop();
    const dues = redis
      .cli('--json', 'LRANGE', 'celery', '0', '99')
      .matchAll(/argsrepr\\?\\?": ?\\?\\?"[([](\d+)/g);
    const sent = [...dues].map((match) => Number(match[1]));
    expect(sent.length).toBeGreaterThan(10);
    expect(inOrder(sent)).toEqual(expected(sent));
    await app.close();
  },
);

needs(test, noRedis)(
  'a beat whose event loop is blocked for longer than its lease is followed, and stands by when it goes on',
  { timeout: 60_000 },
  async () => {
    await using redis = await RedisServerProcess.start();
    const app = new App('beats', { broker: redis.url() });
    app.schedule('slow', '1h', 'note');
    const lines: string[] = [];
    const say = (_: object, message: string): void => void lines.push(message);
    const logger = { debug: () => {}, info: say, warn: say, error: say, child: () => logger };
    const beat = new Beat(app, { lease: 1, logger });
    await beat.start();
    await isSoon(() => beat.leads);
    // While this loop stands still, another takes the lead by hand.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    redis.cli('HSET', 'umbel:beat:beats:lead', 'holder', 'another');
    redis.cli('HINCRBY', 'umbel:beat:beats:lead', 'fence', '1');
    await isSoon(() => lines.some((line) => line.startsWith('the lead is lost')));
    // The other renews nothing: it is followed in turn.
    await isSoon(() => lines.filter((line) => line === 'leading').length === 2);
    await beat.stop();
    await app.close();
  },
);
