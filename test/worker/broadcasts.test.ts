import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { FanoutListener } from '../../src/stores/fanout.ts';
import { publication } from '../../src/testing/conformance.ts';
import { Broadcasts } from '../../src/worker/broadcasts.ts';
import { Slots } from '../../src/worker/slots.ts';
import { Worker } from '../../src/worker/worker.ts';
import { patience } from '../until.ts';
import { MemoryLog } from './memory-log.ts';

const taskQueues = ['celery', { name: 'all', broadcast: true }];

describe.each(['memory', 'sqlite'])('a broadcast queue on %s', (store) => {
  test('every worker that serves it runs each message; what follows is sent, and nothing is kept', async () => {
    await using place = new Place(store);
    const heard: string[] = [];
    const ears = await Promise.all(
      [1, 2, 3].map((n) => place.worker(`broadcastConsumer-${n}`, ['celery', 'all'], heard)),
    );
    const { app } = place;
    await app.send('note', ['hello'], { queue: 'all', ignoreResult: true });
    await expect
      .poll(() => heard.toSorted())
      .toEqual(['broadcastConsumer-1 hello', 'broadcastConsumer-2 hello', 'broadcastConsumer-3 hello']);
    const linked = app.remote<(text: string) => null>('note').si('linked');
    const answer = await app
      .remote<(text: string) => string>('say')
      .s('x')
      .link(linked)
      .applyAsync([], { queue: 'all' });
    expect(await answer.get(patience)).toBe('x');
    await expect.poll(() => heard.filter((line) => line.endsWith('linked')).length).toBeGreaterThanOrEqual(1);
    await ears[2]?.stop();
    await app.send('note', ['again'], { queue: 'all', ignoreResult: true });
    await expect
      .poll(() => heard.filter((line) => line.endsWith('again')).toSorted())
      .toEqual(['broadcastConsumer-1 again', 'broadcastConsumer-2 again']);
    await expect
      .poll(async () => (await app.broker()).size('celery'))
      .toEqual({ ready: 0, scheduled: 0, claimed: 0 });
    expect(await (await app.broker()).size('all')).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
  });

  test('nobody who is away hears of it; an eta is kept; more than the slots hold waits', async () => {
    await using place = new Place(store);
    const { app } = place;
    const heard: string[] = [];
    await app.send('note', ['too early'], { queue: 'all', ignoreResult: true });
    await place.worker('broadcastConsumer', ['all'], heard, 1);
    const due = Date.now() + 400;
    await app.send('note', ['later'], { queue: 'all', ignoreResult: true, eta: new Date(due) });
    for (let n = 0; n < 20; n++) await app.send('note', [n], { queue: 'all', ignoreResult: true });
    await expect.poll(() => heard.length).toBe(21);
    expect(Date.now()).toBeGreaterThanOrEqual(due);
    expect(heard.filter((line) => line !== 'broadcastConsumer later')).toEqual(
      Array.from({ length: 20 }, (_, n) => `broadcastConsumer ${n}`),
    );
  });

  test('a retry is told to all once more; what nobody can run is said in the log', async () => {
    await using place = new Place(store);
    const { app } = place;
    const heard: string[] = [];
    await place.worker('broadcastConsumer', ['all'], heard);
    await app.send('flaky', [], { queue: 'all', ignoreResult: true });
    await expect.poll(() => heard).toEqual(['broadcastConsumer try 0', 'broadcastConsumer try 1']);
    await app.send('nobody.knows', [], { queue: 'all', ignoreResult: true });
    await expect
      .poll(() => place.log.lines.map(({ text }) => text).join('\n'))
      .toContain('a broadcast message is dropped: ');
  });
});

test('one that comes in the moment in which the last one was taken is run as well', async () => {
  for (let turns = 0; turns < 8; turns++) {
    let listener: FanoutListener = () => undefined;
    const fanout = {
      subscribe: async (_: unknown, hears: FanoutListener) => {
        listener = hears;
        return { async [Symbol.asyncDispose]() {} };
      },
    };
    const run: unknown[] = [];
    await using heard = new Broadcasts({
      transport: { fanout } as never, // it needs no more
      broadcasts: new Map([
        ['all', { exchange: { name: 'all', type: 'fanout', durable: true }, routingKey: 'all' }],
      ]),
      slots: new Slots(10, 1),
      processor: { process: async (delivery) => void run.push(delivery) },
      clock: systemClock,
      logger: silentLogger,
    });
    await heard.start();
    listener({ ok: true, value: publication('a').message }, '');
    for (let turn = 0; turn < turns; turn++) await null;
    listener({ ok: true, value: publication('b').message }, '');
    await new Promise((resolve) => setImmediate(resolve));
    expect(run, `${turns} turns between them`).toHaveLength(2);
  }
});

class Place implements AsyncDisposable {
  readonly app: App;
  readonly log: MemoryLog = new MemoryLog();
  readonly #url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'umbel-broadcast-'));
  readonly #opened: (App | Worker)[] = [];

  constructor(store: string) {
    this.#url =
      store === 'memory'
        ? `memory://broadcast-${crypto.randomUUID()}`
        : `sqlite://${join(this.#folder, 'store.db')}`;
    this.app = this.#open('sender');
  }

  async worker(name: string, queues: readonly string[], heard: string[], concurrency = 4): Promise<Worker> {
    const app = this.#open(name);
    app.task('note', (text: unknown) => void heard.push(`${name} ${String(text)}`));
    app.task('say', (text: string) => text);
    app.task('flaky', { bind: true, maxRetries: 1 }, (task) => {
      heard.push(`${name} try ${task.request.retries}`);
      if (task.request.retries === 0) throw task.retry(new Error('once more'), { countdown: 0 });
    });
    const worker = new Worker(app, { queues, name, concurrency, logger: this.log });
    this.#opened.push(worker);
    await worker.start();
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#opened.toReversed()) await (each instanceof Worker ? each.stop() : each.close());
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #open(name: string): App {
    const app = new App(name, {
      broker: this.#url,
      backend: this.#url,
      taskQueues,
      workerUnknownTaskGrace: 0.2,
    });
    this.#opened.push(app);
    return app;
  }
}
