import { describe, expect, it } from 'vitest';
import { BrokerUnavailable, LeaseLostError } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { patience, until } from '../until.ts';
import {
  changed,
  deadLetter,
  newApp,
  put,
  recordIn,
  recordOf,
  sizeOf,
  startWorker,
  stores,
  tamper,
} from './bench.ts';
import { someMessage } from './some-message.ts';

describe.each(stores)('a worker on %s', (kind) => {
  it('does not run a message that has killed too many workers: it is a dead letter, and its caller learns of it', async () => {
    const app = await newApp(kind);
    let ran = false;
    app.task('shop.add', () => {
      ran = true;
    });
    await tamper(app, (delivery) => changed(delivery, { crashes: 5 }));
    const { log } = await startWorker(app);
    const message = someMessage();
    await put(app, message);
    const record = await recordIn(app, message.id, 'FAILURE');
    expect(record.result).toMatchObject({ exc_type: 'WorkerLostError', exc_module: 'billiard.exceptions' });
    expect(await deadLetter(app)).toMatchObject({
      reason: 'max-deliveries',
      detail: expect.stringContaining('5 workers'),
    });
    expect(log.texts('error')).toEqual([expect.stringContaining('5 workers that died')]);
    expect(ran).toBe(false);
  });

  it('asks a task to stop whose lease is lost, and its result does not count', async () => {
    const app = await newApp(kind);
    const lease = new AbortController();
    const begun = deferred<void>();
    const seen = deferred<unknown>();
    const work = app.task('work', { bind: true }, async ({ signal }) => {
      signal.addEventListener('abort', () => seen.resolve(signal.reason));
      begun.resolve();
      await seen.promise;
      return 'late';
    });
    await tamper(app, (delivery) => changed(delivery, { lost: lease.signal, settle: async () => 'fenced' }));
    const { log } = await startWorker(app);
    const result = await work.delay();
    await begun.promise;
    expect((await sizeOf(app))[2]).toBe(1);
    lease.abort(new LeaseLostError());
    expect(await seen.promise).toBeInstanceOf(LeaseLostError);
    await until(() => log.texts('warn').some((text) => text.includes('does not count')));
    expect((await recordOf(app, result.id))?.status).not.toBe('SUCCESS');
  });

  it('keeps a task whose settlement the store refuses, until it takes it, and goes on with others', async () => {
    const app = await newApp(kind);
    let refusals = 3;
    let runs = 0;
    const stuck = app.task('stuck', () => ++runs);
    const other = app.task('other', () => 'done');
    await tamper(app, (delivery) =>
      changed(delivery, {
        settle: async (how) => {
          const about = delivery.message.ok ? delivery.message.value.headers.task : undefined;
          if (about === 'stuck' && refusals-- > 0) throw new BrokerUnavailable('the disk is full');
          return delivery.settle(how);
        },
      }),
    );
    const { log } = await startWorker(app, { concurrency: 2 });
    const first = await stuck.delay();
    const second = await other.delay();
    expect(await second.get(patience)).toBe('done');
    expect(await first.get(patience)).toBe(1);
    await until(() => log.texts('info').includes('could settle a task at last'));
    expect(runs).toBe(1);
  });

  it('keeps taking messages after the broker was away', async () => {
    const app = await newApp(kind);
    const add = app.task('shop.add', (x: number, y: number) => x + y);
    const broker = await app.broker();
    const consume = broker.consume.bind(broker);
    let refusals = 2;
    broker.consume = async (options) => {
      const consumer = await consume(options);
      const claim = consumer.claim.bind(consumer);
      consumer.claim = async (capacity, signal) => {
        if (refusals-- > 0) throw new BrokerUnavailable('locked');
        return claim(capacity, signal);
      };
      return consumer;
    };
    await startWorker(app);
    expect(await (await add.delay(2, 3)).get(patience)).toBe(5);
  });

  it('puts a message that it fails on itself to the dead letters instead of failing on it for ever', async () => {
    const app = await newApp(kind);
    const add = app.task('shop.add', (x: number, y: number) => x + y);
    await tamper(app, (delivery) => {
      const bad = delivery.message.ok && delivery.message.value.headers.id === 'bad';
      if (!bad) return delivery;
      return Object.defineProperty(changed(delivery, {}), 'crashes', {
        get: () => {
          throw new Error('a bug');
        },
      });
    });
    const { log } = await startWorker(app, { concurrency: 1 });
    await put(app, someMessage({ id: 'bad' }));
    expect(await (await add.delay(2, 3)).get(patience)).toBe(5);
    expect((await deadLetter(app)).detail).toContain('a bug');
    expect((await recordOf(app, 'bad'))?.status).toBe('FAILURE');
    expect(log.texts('error')).toEqual([expect.stringContaining('failed to handle a message')]);
  });

  it('survives a logger that throws: every task still ends once', async () => {
    const app = await newApp(kind);
    const runs: number[] = [];
    const add = app.task('shop.add', { bind: true }, (task, x: number, y: number) => {
      if (runs.push(x + y) === 1) throw task.retry(new Error('again'), { countdown: 0 });
      return x + y;
    });
    const fail = (): never => {
      throw new Error('the log is full');
    };
    const logger: Logger = { debug: fail, info: fail, warn: fail, error: fail, child: () => logger };
    await startWorker(app, { logger, concurrency: 1 });
    expect(await (await add.delay(2, 3)).get(patience)).toBe(5);
    expect(await (await add.delay(3, 4)).get(patience)).toBe(7);
    expect(runs).toEqual([5, 5, 7]);
    expect(await (await app.broker()).deadLetters.count()).toBe(0);
  });
});
