// A worker whose results live in another store than its messages: no transaction spans both, so their order must hold.

import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { patience, until } from '../until.ts';
import { changed, deadLetter, newStore, recordIn, recordOf, sizeOf, startWorker, tamper } from './bench.ts';

/** An application, and a second one on the same stores: another process. */
async function newApps(): Promise<[App, App]> {
  const urls = { broker: await newStore('sqlite'), backend: await newStore('memory') };
  return [new App('shop', urls), new App('shop', urls)];
}

describe('messages in one store and results in another', () => {
  it('the result is there before the message is gone, and a worker that dies between the two does not run it again', async () => {
    const [app, other] = await newApps();
    await using _ = app;
    await using __ = other;
    let runs = 0;
    for (const each of [app, other]) each.task('count', () => ++runs);
    // The first worker dies after it has put the result: its settlement is never made.
    const dead = deferred<'fenced'>();
    await tamper(app, (delivery) => changed(delivery, { settle: () => dead.promise }));
    const { worker } = await startWorker(app, { concurrency: 1 });
    const result = await app.send('count');
    expect(await recordIn(app, result.id, 'SUCCESS')).toMatchObject({ result: 1 });
    expect(await sizeOf(app)).toEqual([0, 0, 1]);
    // Another takes it over, marked as one that came back.
    await tamper(other, (delivery) => changed(delivery, { redelivered: true }));
    const { log } = await startWorker(other);
    const broker = await app.broker();
    await broker.close();
    await until(async () => log.texts('info').some((text) => text.includes('its result is recorded')));
    expect(runs).toBe(1);
    dead.resolve('fenced');
    await worker.stop({ cold: true });
  });

  it('a result store that is away is waited for, and the message is kept so long', async () => {
    const [app, other] = await newApps();
    await using _ = app;
    await using __ = other;
    const task = app.task('t', () => 'kept');
    const backend = await app.backend();
    if (backend === null) throw new Error('there is one');
    const put = backend.put.bind(backend);
    let refusals = 3;
    backend.put = async (record) => {
      if (refusals-- > 0) throw new BrokerUnavailable('the results are away');
      expect(await sizeOf(app)).toEqual([0, 0, 1]);
      return put(record);
    };
    const { log } = await startWorker(app);
    expect(await (await task.delay()).get(patience)).toBe('kept');
    await until(async () => (await sizeOf(app))[2] === 0);
    expect(log.texts('error').filter((text) => text.startsWith('cannot store a result'))).toHaveLength(1);
    expect(log.texts('info')).toContain('could store a result at last');
  });

  it('of a retry that was sent twice, since the acknowledgement before it was lost, only one runs once it has ended', async () => {
    const [app, other] = await newApps();
    await using _ = app;
    await using __ = other;
    const transport = await app.broker();
    Object.defineProperty(transport, 'features', {
      value: { ...transport.features, atomicSettlement: false },
    });
    const runs: number[] = [];
    const flaky = app.task('flaky', { bind: true, maxRetries: 2 }, (task) => {
      runs.push(task.request.retries);
      if (task.request.retries === 0) throw task.retry(undefined, { countdown: 0 });
      return 'done';
    });
    // A second message of the same retry, as a broker has it that confirmed the first and never heard of the acknowledgement.
    const publish = transport.publish.bind(transport);
    await tamper(app, (delivery) =>
      changed(delivery, {
        settle: async (how) => {
          const settled = await delivery.settle(how);
          const retry = how.kind === 'ack' ? how.publish?.[0] : undefined;
          if (retry !== undefined) await publish([{ ...retry, eta: new Date(Date.now() + 300) }]);
          return settled;
        },
      }),
    );
    const { log } = await startWorker(app, { concurrency: 1 });
    expect(await (await flaky.delay()).get(patience)).toBe('done');
    await until(async () => log.texts('info').some((text) => text.includes('its result is recorded')));
    expect(runs).toEqual([0, 1]);
    await until(async () => (await sizeOf(app)).every((size) => size === 0));
  });

  it('a dead letter that is replayed is run, also when the worker that ran it dies', async () => {
    const [app, other] = await newApps();
    await using _ = app;
    await using __ = other;
    let rejects = true;
    let runs = 0;
    for (const each of [app, other])
      each.task('fussy', () => {
        if (rejects) throw new Reject('not now');
        runs++;
        return 'done';
      });
    const first = await startWorker(app);
    const result = await app.send('fussy');
    const { id } = await deadLetter(app);
    await recordIn(app, result.id, 'FAILURE');
    await first.worker.stop();
    rejects = false;
    expect(await (await app.broker()).deadLetters.replay(id)).toBe(true);
    // It comes back from a worker that died while it ran it: its failure of before is still on record.
    await tamper(other, (delivery) => changed(delivery, { redelivered: true, crashes: 1 }));
    await startWorker(other);
    expect(await recordIn(other, result.id, 'SUCCESS')).toMatchObject({ result: 'done' });
    expect(runs).toBe(1);
  });

  it('a failure of a run counts as its end, whatever comes back', async () => {
    const [app, other] = await newApps();
    await using _ = app;
    await using __ = other;
    let runs = 0;
    app.task('fails', () => {
      runs++;
      throw new TypeError('no');
    });
    let settles = 0;
    await tamper(app, (delivery) =>
      changed(delivery, {
        redelivered: true,
        settle: async (how) => {
          // The first settlement does not happen: the message goes back as from a dead worker.
          if (settles++ > 0) return delivery.settle(how);
          await delivery.settle({ kind: 'release', until: null });
          return 'fenced';
        },
      }),
    );
    const result = await app.send('fails');
    const { log } = await startWorker(app);
    await until(() => log.texts('info').some((text) => text.includes('its result is recorded')));
    expect(runs).toBe(1);
    expect((await recordOf(app, result.id))?.status).toBe('FAILURE');
  });

  it('a worker that dies between the failure and the dead letter leaves both to be written', async () => {
    const [app, other] = await newApps();
    await using _ = app;
    await using __ = other;
    let settles = 0;
    await tamper(app, (delivery) =>
      changed(delivery, {
        redelivered: true,
        crashes: 5,
        settle: async (how) => {
          if (settles++ > 0) return delivery.settle(how);
          await delivery.settle({ kind: 'release', until: null });
          return 'fenced';
        },
      }),
    );
    app.task('deadly', () => 1);
    const result = await app.send('deadly');
    await startWorker(app);
    expect(await deadLetter(app)).toMatchObject({ reason: 'max-deliveries' });
    expect(await recordOf(app, result.id)).toMatchObject({ status: 'FAILURE' });
    expect(settles).toBe(2);
  });
});
