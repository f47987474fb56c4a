// Limits that hold for all workers together, on every broker.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { deferred } from '../../src/lib/deferred.ts';
import { isLong } from '../run/scale.ts';
import { patience, until } from '../until.ts';
import { countPromoted, sizeOf } from './bench.ts';
import { appOn, type Cases, workerOf } from './everywhere.ts';

/** How many run at once, by tenant. */
export class Gauge {
  readonly now = new Map<string, number>();
  readonly most = new Map<string, number>();
  runs = 0;

  async run(tenant: string, ms: number): Promise<void> {
    this.runs++;
    const now = (this.now.get(tenant) ?? 0) + 1;
    this.now.set(tenant, now);
    this.most.set(tenant, Math.max(now, this.most.get(tenant) ?? 0));
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.now.set(tenant, (this.now.get(tenant) ?? 1) - 1);
  }
}

export const limitCases: Cases = (broker, newUrls) => {
  it('of each tenant so many run at once, in all workers together, and every task runs', async () => {
    const urls = await newUrls();
    const gauge = new Gauge();
    const apps = [appOn(urls), appOn(urls)].map((app) => {
      app.task('import', { concurrency: { limit: 2, key: 0 } }, (tenant: string) => gauge.run(tenant, 20));
      return app;
    });
    for (const app of apps) await workerOf(app, { concurrency: 6 });
    const [sender] = apps;
    const sent = await Promise.all(
      Array.from({ length: 24 }, (_, n) => sender?.send('import', [n % 3 === 0 ? 'b' : 'a'])),
    );
    for (const result of sent) await result?.get(patience);
    expect(gauge.runs).toBe(24);
    for (const most of gauge.most.values()) expect(most).toBeLessThanOrEqual(2);
  });

  it('a task that must wait takes no slot: others overtake it; when a permit is freed it goes on at once', async () => {
    const app = appOn(await newUrls());
    const gate = deferred<string>();
    const began: string[] = [];
    app.task('one', { concurrency: 1 }, (name: string) => {
      began.push(name);
      return name === 'first' ? gate.promise : name;
    });
    app.task('free', () => 'free');
    await workerOf(app, { concurrency: 2 });
    const first = await app.send('one', ['first']);
    await until(() => began.length === 1);
    const others = await Promise.all(['second', 'third', 'fourth'].map((name) => app.send('one', [name])));
    await until(async () => {
      const [ready, scheduled] = await sizeOf(app);
      return broker === 'rabbitmq' ? ready === 0 : scheduled === 3;
    });
    expect(await (await app.send('free')).get(patience)).toBe('free');
    expect(began).toEqual(['first']);
    const promoted = await countPromoted(app);
    gate.resolve('done');
    const beganAt = performance.now();
    await first.get(patience);
    for (const result of others) await result.get(patience);
    if (broker === 'rabbitmq') return;
    expect(began).toEqual(['first', 'second', 'third', 'fourth']);
    // It is told to come; by itself it would ask again after ten seconds.
    expect(promoted()).toBeGreaterThan(0);
    if (isLong) expect(performance.now() - beganAt).toBeLessThan(8000);
  });

  it('so many start in a second, in all workers together', async () => {
    const urls = await newUrls();
    const starts: number[] = [];
    const apps = [appOn(urls), appOn(urls)].map((app) => {
      app.task('sms', { rateLimit: { limit: '10/s' } }, () => {
        starts.push(Date.now());
      });
      return app;
    });
    for (const app of apps) await workerOf(app);
    const begun = Date.now();
    const sent = await Promise.all(Array.from({ length: 12 }, () => apps[0]?.send('sms')));
    for (const result of sent) await result?.get(patience);
    expect(starts).toHaveLength(12);
    expect((starts.at(-1) ?? 0) - begun).toBeGreaterThanOrEqual(1000); // eleven intervals; none comes early
  });
};

/** What is fetched ahead, and in which order queues are served. */
export const prefetchCases: Cases = (_, newUrls) => {
  it('with a prefetch multiplier of 3 two slots hold six messages and run two; a stop gives back what was not begun at once', async () => {
    const app = appOn(await newUrls(), { workerPrefetchMultiplier: 3 });
    const gate = deferred<string>();
    let runs = 0;
    app.task('held', () => {
      runs++;
      return gate.promise;
    });
    const { worker } = await workerOf(app, { concurrency: 2 });
    await Promise.all(Array.from({ length: 8 }, () => app.send('held')));
    await until(async () => runs === 2 && (await sizeOf(app))[0] === 2);
    const stopped = worker.stop();
    await until(async () => (await sizeOf(app)).join() === '6,0,2');
    await sleep(200); // and there it stays, while the two run on
    expect(await sizeOf(app)).toEqual([6, 0, 2]);
    expect(runs).toBe(2);
    gate.resolve('done');
    await stopped;
    expect(runs).toBe(2);
    expect((await sizeOf(app))[0]).toBe(6);
  });

  it('queues are served in turn, whatever waits in one of them', async () => {
    const app = appOn(await newUrls());
    const order: string[] = [];
    app.task('note', (queue: string) => {
      order.push(queue);
    });
    const send = (queue: string) => app.send('note', [queue], { queue });
    const all = await Promise.all(Array.from({ length: 30 }, () => send('long')));
    const few = await Promise.all(Array.from({ length: 3 }, () => send('short')));
    await workerOf(app, { queues: ['long', 'short'], concurrency: 1 });
    for (const result of [...few, ...all]) await result.get(patience);
    expect(order.lastIndexOf('short')).toBeLessThan(20);
  });
};
