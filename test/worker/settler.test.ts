import { describe, expect, it } from 'vitest';
import { BrokerUnavailable, LeaseLostError, NotSerializableError } from '../../src/errors.ts';
import type { Backoff } from '../../src/lib/backoff.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import type { Publication } from '../../src/stores/transport.ts';
import { Retrier } from '../../src/worker/retrier.ts';
import { ackOnly, type SettlementPlan } from '../../src/worker/settlement.ts';
import { Settler } from '../../src/worker/settler.ts';
import { FakeClock, turn } from './fake-clock.ts';
import { FakeStore } from './fake-store.ts';
import { MemoryLog } from './memory-log.ts';

const record: ResultRecord = {
  taskId: 'a',
  status: 'SUCCESS',
  result: 5,
  traceback: null,
  children: [],
  dateDone: new Date(0),
};
// What is in it is the sender's business.
const publication = { id: 'a', queue: 'celery', message: {}, eta: null } as unknown as Publication;
const success: SettlementPlan = { action: { kind: 'ack' }, record, publish: null };
const retry: SettlementPlan = {
  action: { kind: 'ack' },
  record: { ...record, status: 'RETRY' },
  publish: publication,
};
const full = (): BrokerUnavailable => new BrokerUnavailable('the disk is full');

function bench(together: boolean, resultBackoff?: Backoff) {
  const store = new FakeStore({ together });
  const clock = new FakeClock();
  const log = new MemoryLog();
  const retrier = new Retrier(clock, log);
  const settler = new Settler(store.transport, store.backend, retrier, resultBackoff);
  const settle = (ending: SettlementPlan) =>
    settler.settle(store.delivery(), ending, settler.prepare(ending));
  return { store, clock, log, retrier, settler, settle };
}

describe('when broker and backend share a store', () => {
  it('result, retry and ack are one settlement', async () => {
    const { store, settle } = bench(true);
    expect(await settle(retry)).toBe('settled');
    expect(store.steps).toEqual([
      { kind: 'settle', settlement: { kind: 'ack', write: expect.anything(), publish: [publication] } },
    ]);
    expect(store.records).toEqual([retry.record]);
  });

  it('a dead letter takes its failure record with it', async () => {
    const { store, settle } = bench(true);
    await settle({ action: { kind: 'dead', reason: 'unknown-task', detail: 'x' }, record, publish: null });
    expect(store.steps).toEqual([
      {
        kind: 'settle',
        settlement: { kind: 'dead', reason: 'unknown-task', detail: 'x', write: expect.anything() },
      },
    ]);
  });
});

describe('when the results are kept elsewhere', () => {
  it('the result is stored first and the message is acknowledged after it', async () => {
    const { store, settle } = bench(false);
    expect(await settle(retry)).toBe('settled');
    expect(store.steps).toEqual([
      { kind: 'put', record: retry.record },
      { kind: 'settle', settlement: { kind: 'ack', publish: [publication] } },
    ]);
  });

  it('who lost the lease does not write the result', async () => {
    const { store, settle } = bench(false);
    store.lease.abort(new LeaseLostError());
    expect(await settle(success)).toBe('fenced');
    expect(store.steps).toEqual([]);
  });

  it('a result without a form on the wire is found out before anything is done', () => {
    const { store, settler } = bench(false);
    store.backend.writeOf = () => {
      throw new NotSerializableError('$.f', 'a function');
    };
    expect(() => settler.prepare(success)).toThrow(NotSerializableError);
    expect(store.steps).toEqual([]);
  });
});

describe('a store that refuses', () => {
  it('is asked again until it takes the settlement', async () => {
    const { store, clock, settle, log } = bench(true);
    store.refusals.push(...Array.from({ length: 4 }, full));
    const settled = settle(success);
    for (let tries = 0; tries < 4; tries++) {
      await turn();
      expect(store.steps).toEqual([]);
      await clock.advance(5000);
    }
    expect(await settled).toBe('settled');
    expect(log.texts('error')).toEqual(['cannot settle a task: the disk is full; retrying']);
    expect(log.texts('info')).toEqual(['could settle a task at last']);
  });

  it('is left alone when the lease is lost meanwhile', async () => {
    const { store, settle } = bench(true);
    store.refusals.push(full(), full());
    const settled = settle(success);
    await turn();
    store.lease.abort(new LeaseLostError());
    expect(await settled).toBe('fenced');
  });

  it('is given up some seconds after the worker was told to stop', async () => {
    const { store, clock, settle, retrier } = bench(true);
    store.refusals.push(...Array.from({ length: 100 }, full));
    retrier.limit();
    let answer: string | undefined;
    void settle(success).then((settled) => {
      answer = settled;
    });
    await turn();
    await clock.advance(5000);
    expect(answer).toBeUndefined();
    await clock.advance(5000);
    expect(answer).toBe('gave-up');
  });

  it('refuses the result, but not the ack: the ack waits', async () => {
    const { store, clock, settle } = bench(false);
    store.refusals.push(full());
    const settled = settle(success);
    await turn();
    expect(store.steps).toEqual([]);
    await clock.advance(5000);
    expect(await settled).toBe('settled');
    expect(store.steps.map((step) => step.kind)).toEqual(['put', 'settle']);
  });

  it.each([
    true,
    false,
  ])('refuses a result: waits as the result backend’s settings say, together: %s', async (together) => {
    const { store, clock, settle, retrier } = bench(together, {
      factor: 60_000,
      maximum: 600_000,
      jitter: false,
    });
    store.refusals.push(full(), full());
    const settled = settle(success);
    await turn();
    await clock.advance(59_999);
    expect(store.refusals).toHaveLength(1);
    await clock.advance(1);
    expect(store.refusals).toHaveLength(0);
    // A worker that is told to stop does not wait so long.
    retrier.limit();
    await turn();
    expect(await settled).toBe('settled');
  });

  it('for a reason that will not go away is not asked again', async () => {
    const { store, settle } = bench(true);
    store.refusals.push(new TypeError('a bug'));
    await expect(settle(success)).rejects.toThrow('a bug');
  });
});

it('who lost the lease is told so', async () => {
  const { store, settle } = bench(true);
  store.answer = 'fenced';
  expect(await settle(success)).toBe('fenced');
});

it('without a result backend the message is acknowledged all the same', async () => {
  const store = new FakeStore({ together: false });
  const settler = new Settler(store.transport, null, new Retrier(new FakeClock(), silentLogger));
  await settler.settle(store.delivery(), success, settler.prepare(success));
  expect(store.steps).toEqual([{ kind: 'settle', settlement: { kind: 'ack' } }]);
});

describe('a task that was acknowledged before it ran', () => {
  it('has its retry sent, then its state stored', async () => {
    const { store, settler } = bench(true);
    expect(await settler.settleEarly(store.delivery(), retry)).toBe('settled');
    expect(store.steps).toEqual([
      { kind: 'publish', publications: [publication] },
      { kind: 'put', record: retry.record },
    ]);
  });

  it('leaves nothing to do when it was ignored', async () => {
    const { store, settler } = bench(true);
    expect(await settler.settleEarly(store.delivery(), ackOnly)).toBe('settled');
    expect(store.steps).toEqual([]);
  });
});

describe('the record of a message that came back', () => {
  it('is read, however often the backend must be asked', async () => {
    const { store, settler, clock } = bench(true);
    store.stored = record;
    store.refusals.push(full());
    const reading = settler.recordOf(store.delivery(), 'a');
    await turn();
    await clock.advance(5000);
    expect(await reading).toBe(record);
  });

  it('is not guessed when the backend stays away', async () => {
    const { store, settler, clock, retrier } = bench(true);
    retrier.limit(0);
    store.refusals.push(full(), full());
    const reading = settler.recordOf(store.delivery(), 'a');
    await clock.advance(5000);
    expect(await reading).toBe('gave-up');
  });
});
