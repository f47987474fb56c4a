import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { drainsIn } from '../../src/app/queue-states.ts';
import { QuerySyntaxError } from '../../src/errors.ts';
import { Recorder } from '../../src/recorder/recorder.ts';
import { storeAt } from '../../src/stores/store-url.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';

describe('the queues of an application', () => {
  it('show what waits in them, and since when', async () => {
    const app = await newApp('sqlite', { taskQueues: ['slow'] });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const begun = Date.now();
    const eta = new Date(begun + 3_600_000);
    const sent = await add.applyAsync([1, 2], { queue: 'slow' });
    await add.applyAsync([3, 4], { queue: 'slow', priority: 9 });
    await add.applyAsync([5, 6], { queue: 'slow', eta });
    const [first, second] = await app.queues.peek('slow');
    expect(first).toMatchObject({
      position: 0,
      due: null,
      problem: null,
      call: { id: sent.id, task: 'shop.add', args: [1, 2], argsrepr: '(1, 2)', priority: 0 },
    });
    expect(first?.waitsSince?.getTime()).toBeGreaterThanOrEqual(begun);
    expect(second?.call?.args).toEqual([3, 4]);
    expect(await app.queues.peek('slow', { place: 'scheduled' })).toMatchObject([
      { position: 0, due: eta, call: { args: [5, 6] } },
    ]);
    expect(await app.queues.list()).toMatchObject([
      { name: 'celery', ready: 0, drainsIn: 0 },
      {
        name: 'slow',
        ready: 2,
        scheduled: 1,
        oldest: expect.any(Number),
        inRate: null,
        outRate: null,
        drainsIn: null,
      },
    ]);
    await expect(app.queues.peek('slow', { limit: 0 })).rejects.toThrow("'limit'");
  });

  it('are looked at without a history of tasks, and no question makes one', async () => {
    const app = await newApp('sqlite');
    await app.queues.list();
    const { history } = app;
    expect(await history.list('state:failure')).toEqual({ tasks: [], next: null });
    await expect(history.list('state:')).rejects.toThrow(QuerySyntaxError);
    expect([await history.get('x'), await history.counts(), await history.countsBy('name')]).toEqual([
      undefined,
      {},
      [],
    ]);
    expect(await history.retryJobs()).toEqual([]);
    const { location, tasks } = await history.status();
    expect([location, tasks]).toEqual([
      storeAt(app.config.broker, 'broker').replace('.db', '.history.db'),
      0,
    ]);
    const folder = dirname(storeAt(app.config.broker, 'broker'));
    expect(readdirSync(folder).filter((name) => name.includes('history'))).toEqual([]);
  });

  it('have rates while a recorder listens', async () => {
    const app = await newApp('sqlite', { taskSendSentEvent: true });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const recorder = new Recorder(app);
    onTestFinished(() => recorder.stop());
    await recorder.start();
    await startWorker(app, { taskEvents: true });
    await (await add.delay(1, 2)).get(patience);
    await until(async () => {
      await recorder.flush();
      return (await app.history.counts()).SUCCESS === 1;
    });
    // A recorder that has not been heard for a while, on a machine that does much else, has no rates.
    await until(async () => (await app.queues.list())[0]?.inRate !== null, 'rates');
    const [queue] = await app.queues.list();
    expect(queue).toMatchObject({ name: 'celery', ready: 0, drainsIn: 0 });
    expect(queue?.inRate).toBeGreaterThan(0);
    expect(queue?.outRate).toBeGreaterThan(0);
  });

  it.each([
    [0, null, null, 0],
    [100, null, null, null],
    [100, 1, 5, 25],
    [100, null, 5, 20],
    [100, 5, 5, null],
  ])('%s ready, %s in and %s out in a second: empty in %s s', (ready, inRate, outRate, seconds) => {
    expect(drainsIn(ready, inRate, outRate)).toBe(seconds);
  });
});
