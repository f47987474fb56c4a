// The history: what workers write into the stream while no recorder runs is there when one comes.
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { patience, until } from '../until.ts';
import { newFolder } from './bench.ts';
import { appOn, type Cases, workerOf } from './everywhere.ts';

async function recording(app: App): Promise<Recorder> {
  const recorder = new Recorder(app);
  onTestFinished(() => recorder.stop());
  await recorder.start();
  return recorder;
}

export const historyCases: Cases = (_, newUrls) => {
  it('the history has what ran while its recorder was away, once, without events', async () => {
    const urls = await newUrls();
    const historyStore = `sqlite://${join(await newFolder(), 'history.db')}`;
    await using watched = appOn(urls, { historyStore });
    await (await recording(watched)).stop();
    const app = appOn(urls, { historyStore });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const flaky = app.task('shop.flaky', { bind: true, maxRetries: 1 }, (task) => {
      if (task.request.retries === 0) throw task.retry(new Error('again'), { countdown: 0 });
      task.log('second');
      return 'ok';
    });
    await workerOf(app);
    const sums = await Promise.all([1, 2, 3].map((n) => add.delay(n, n)));
    const second = await flaky.delay();
    for (const result of [...sums, second]) await result.get(patience);
    const recorder = await recording(app);
    await until(async () => {
      await recorder.flush();
      return (await app.history.list('ended:*')).tasks.length === 4;
    }, 'all to have ended');
    expect(await app.history.get(sums[1]?.id ?? '')).toMatchObject({
      name: 'shop.add',
      state: 'SUCCESS',
      args: [2, 2],
      queue: 'celery',
      result: '4',
      sentAt: expect.any(Number),
      startedAt: expect.any(Number),
      attempts: [{ state: 'SUCCESS' }],
    });
    expect(await app.history.get(second.id)).toMatchObject({
      attempts: [
        { state: 'RETRY', attempt: 1 },
        { state: 'SUCCESS', attempt: 2 },
      ],
      log: [{ message: 'second' }],
    });
    expect((await app.history.status()).gaps).toEqual([]);
  });

  it('a history that began after a task was sent has its arguments as well', async () => {
    const urls = await newUrls();
    const folder = await newFolder();
    const first = appOn(urls, { historyStore: `sqlite://${join(folder, 'first.db')}` });
    const before = await recording(first);
    const sender = appOn(urls);
    const adding = sender.task('shop.add', (a: number, b: number) => a + b);
    const sent = await adding.delay(2, 3);
    const last = await adding.delay(4, 5); // an embedded store keeps the last entry
    await until(async () => {
      await before.flush();
      return (await first.history.get(last.id)) !== null;
    }, 'the first history to know it');
    await before.stop();
    const app = appOn(urls, { historyStore: `sqlite://${join(folder, 'second.db')}` });
    app.task('shop.add', (a: number, b: number) => a + b);
    const recorder = await recording(app);
    await workerOf(app);
    await sent.get(patience);
    await until(async () => {
      await recorder.flush();
      return (await app.history.get(sent.id))?.state === 'SUCCESS';
    }, 'the second history to know its end');
    expect(await app.history.get(sent.id)).toMatchObject({
      name: 'shop.add',
      args: [2, 3],
      argsRepr: '(2, 3)',
      queue: 'celery',
      attempts: [{ state: 'SUCCESS', attempt: 1 }],
    });
  });
};
