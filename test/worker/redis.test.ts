// A worker and its broker: which of the two comes first, and what happens when the broker goes.

import { afterEach, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until, within } from '../until.ts';
import { newStore } from './bench.ts';
import { MemoryLog } from './memory-log.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});
const kept = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};

async function server(): Promise<RedisServerProcess> {
  return kept(await RedisServerProcess.start('--appendonly', 'yes', '--appendfsync', 'always'));
}

function newWorker(broker: string, backend?: string): { app: App; worker: Worker; log: MemoryLog } {
  const app = kept(new App('shop', { broker, ...(backend !== undefined && { backend }) }));
  app.task('add', (x: number, y: number) => x + y);
  const log = new MemoryLog();
  const worker = new Worker(app, { logger: log, name: 'celery@here', concurrency: 2 });
  open.push({ [Symbol.asyncDispose]: () => worker.stop({ cold: true }) });
  return { app, worker, log };
}

const lines = (log: MemoryLog, about: string): string[] => log.texts().filter((text) => text.includes(about));

needs(describe, noRedis)('a worker on Redis', () => {
  it('waits for a broker that comes later, says so, and then works', async () => {
    const redis = await server();
    await redis.stop('SIGKILL');
    const { app, worker, log } = newWorker(redis.url());
    const started = worker.start();
    await until(() => lines(log, 'the broker is away').length > 0);
    await redis.start();
    await started;
    expect(await (await app.send<number>('add', [2, 3])).get(patience)).toBe(5);
    expect(log.texts().join('\n')).not.toMatch(/redis:\/\/:[^*]/);
  });

  it('that waits for its broker stops at once when it is told to', async () => {
    const redis = await server();
    await redis.stop('SIGKILL');
    const { worker, log } = newWorker(redis.url());
    const started = worker.start();
    await until(() => lines(log, 'the broker is away').length > 0);
    const begun = performance.now();
    await within(worker.stop(), 'the end of the worker');
    await started;
    if (isLong) expect(performance.now() - begun).toBeLessThan(3000);
  });

  it('says once that the broker is away, and once that it is there again, and goes on', async () => {
    const redis = await server();
    const { app, worker, log } = newWorker(redis.url());
    await worker.start();
    await (await app.send('add', [1, 1])).get(patience);
    await redis.stop('SIGKILL');
    await until(() => lines(log, 'the broker is away').length > 0);
    await redis.start();
    await until(() => lines(log, 'the broker is there again').length > 0);
    expect(await (await app.send<number>('add', [2, 3])).get(patience)).toBe(5);
    expect(lines(log, 'the broker is away')).toHaveLength(1);
    expect(lines(log, 'the broker is there again')).toHaveLength(1);
  });

  it('whose broker is gone still ends', async () => {
    const redis = await server();
    const { worker } = newWorker(redis.url());
    await worker.start();
    await redis.stop('SIGKILL');
    const begun = performance.now();
    await within(worker.stop({ cold: true }), 'the end of the worker');
    if (isLong) expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('whose broker is gone gives up what runs when its time to stop is over', async () => {
    const redis = await server();
    const app = kept(new App('shop', { broker: redis.url(), workerShutdownTimeout: '500ms' }));
    let running = false;
    const slow = app.task('slow', { bind: true }, async (task) => {
      running = true;
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
    });
    const worker = kept(new Worker(app, { name: 'celery@here' }));
    await worker.start();
    await slow.delay();
    await until(() => running);
    await redis.stop('SIGKILL');
    const begun = performance.now();
    await within(worker.stop(), 'the end of the worker');
    if (isLong) expect(performance.now() - begun).toBeLessThan(12_000);
  });

  it('with results elsewhere stores them there, and finds what it has run', async () => {
    const redis = await server();
    const { app, worker } = newWorker(redis.url(), await newStore('sqlite'));
    await worker.start();
    const result = await app.send<number>('add', [2, 3]);
    expect(await result.get(patience)).toBe(5);
    expect(redis.cli('KEYS', 'celery-task-meta-*')).toBe('');
  });
});
