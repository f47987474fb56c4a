// Limits that hold for all workers together: how they are said. (On every broker: `everywhere.test.ts`.)

import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { Worker } from '../../src/worker/worker.ts';
import { patience, until } from '../until.ts';
import { countPromoted, newStore, sizeOf } from './bench.ts';
import { appOn, workerOf } from './everywhere.ts';
import { Gauge } from './limit-cases.ts';

describe('limits', () => {
  it('of a queue are set in the configuration', async () => {
    const app = appOn({ broker: await newStore('memory') }, { queueLimits: { celery: { concurrency: 1 } } });
    const gauge = new Gauge();
    for (const name of ['one', 'two']) app.task(name, () => gauge.run('all', 10));
    await workerOf(app);
    const sent = await Promise.all(['one', 'two', 'one', 'two'].map((name) => app.send(name)));
    for (const result of sent) await result.get(patience);
    expect(gauge.most.get('all')).toBe(1);
  });

  it('shared by a name count together, and a keyword task says its key by name', async () => {
    const app = appOn({ broker: await newStore('memory') });
    const gauge = new Gauge();
    for (const name of ['one', 'two'])
      app.task(name, { concurrency: { limit: 1, name: 'api' } }, () => gauge.run('api', 10));
    await workerOf(app);
    const sent = await Promise.all(['one', 'two', 'one', 'two'].map((name) => app.send(name)));
    for (const result of sent) await result.get(patience);
    expect(gauge.most.get('api')).toBe(1);
  });

  it('whose permit waits for a task that was revoked meanwhile pass it on', async () => {
    const app = appOn({ broker: await newStore('sqlite') });
    const gate = deferred<string>();
    const began: string[] = [];
    app.task('one', { concurrency: 1 }, (name: string) => {
      began.push(name);
      return name === 'first' ? gate.promise : name;
    });
    await workerOf(app);
    await app.send('one', ['first']);
    await until(() => began.length === 1);
    await app.send('one', ['purged']);
    await until(async () => (await sizeOf(app))[1] === 1);
    await (await app.broker()).purge('celery');
    const last = await app.send('one', ['last']);
    await until(async () => (await sizeOf(app))[1] === 1);
    const promoted = await countPromoted(app);
    gate.resolve('done');
    await last.get(patience);
    expect(promoted()).toBeGreaterThan(0); // it did not ask by itself
    expect(began).toEqual(['first', 'last']);
  });

  it('that no store can keep are refused when the worker starts', async () => {
    const app = appOn({ broker: 'memory://' });
    app.task('one', { concurrency: 1 }, () => 1);
    const { transport, backend } = await app.open();
    Reflect.set(transport, 'openLimits', undefined);
    Reflect.set(backend ?? {}, 'openLimits', undefined);
    await expect(new Worker(app).start()).rejects.toThrow(ConfigError);
  });

  it.each([
    [{ concurrency: 0 }, /a whole number from 1 up, not 0/],
    [
      { concurrency: { key: 0 } },
      /'limit' of 'concurrency' .* must be a whole number from 1 up, not undefined/,
    ],
    [{ concurrency: { limit: 2, tenant: 0 } }, /unknown option 'tenant'/],
    [{ rateLimit: { limit: '10/m', scope: 'worker', key: 0 } }, /no key/],
    [{ rateLimit: { limit: '10/d' } }, /10\/m/],
    [{ concurrency: { limit: 1, key: {} } }, /index of an argument/],
  ])('%j are refused when the task is defined', async (options, message) => {
    const app = appOn({ broker: 'memory://' });
    expect(() => app.task('bad', options as never, () => 1)).toThrow(message);
  });
});
