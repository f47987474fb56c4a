import { afterEach, describe, expect, it } from 'vitest';
import { BrokerUnavailable } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';
import type { Consumer, Delivery } from '../../src/stores/transport.ts';
import { ClaimLoop } from '../../src/worker/claim-loop.ts';
import { Slots } from '../../src/worker/slots.ts';
import { until } from '../until.ts';
import { FakeClock, turn } from './fake-clock.ts';
import { MemoryLog } from './memory-log.ts';

const loops: ClaimLoop[] = [];
afterEach(async () => {
  for (const loop of loops.splice(0)) await loop.stop();
});

/** A queue of so many messages, and a loop over it whose tasks end when the test says so. */
function bench(options: { readonly messages: number; readonly slots: number }) {
  const slots = new Slots(options.slots);
  const clock = new FakeClock();
  const log = new MemoryLog();
  const asked: number[] = [];
  const failures: Error[] = [];
  const processed: Delivery[] = [];
  const givenBack: Delivery[] = [];
  let left = options.messages;
  const source: Consumer = {
    async claim(capacity, signal) {
      const failure = failures.shift();
      if (failure) throw failure;
      if (left === 0 && !signal.aborted) {
        const gone = deferred<void>();
        signal.addEventListener('abort', () => gone.resolve());
        await gone.promise;
      }
      if (signal.aborted) return [];
      asked.push(capacity());
      const count = Math.min(left, capacity());
      left -= count;
      return Array.from({ length: count }, () => ({}) as Delivery); // the loop only passes them on
    },
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
  const processor = {
    async process(delivery: Delivery) {
      processed.push(delivery);
    },
    async giveBack(delivery: Delivery) {
      givenBack.push(delivery);
      slots.release();
    },
  };
  const loop = new ClaimLoop({ source, slots, processor, clock, logger: log, onLost: () => {} });
  loops.push(loop);
  return { loop, source, slots, clock, log, asked, failures, processed, givenBack };
}

describe('the claim loop', () => {
  it('does not spin when its consumer was closed under it, and takes what comes from another', async () => {
    const { loop, source, clock, processed } = bench({ messages: 0, slots: 3 });
    const claims: (readonly Delivery[])[] = [];
    source.claim = async () => {
      const found = claims.length === 6 ? [{} as Delivery] : [];
      claims.push(found);
      return found;
    };
    await loop.start();
    for (let turns = 0; turns < 50; turns++) await turn();
    expect(claims).toHaveLength(4);
    await until(async () => {
      await clock.advance(1000);
      return processed.length === 1;
    }, 'the message');
    expect(claims.length).toBeLessThan(40);
  });

  it('claims as many messages as there are free slots, and no more until one is free', async () => {
    const { loop, slots, asked, processed } = bench({ messages: 10, slots: 3 });
    await loop.start();
    await turn();
    expect(processed).toHaveLength(3);
    slots.release();
    slots.release();
    await turn();
    expect(asked).toEqual([3, 2]);
    expect(processed).toHaveLength(5);
  });

  it('goes on at once when a slot is free: no tick passes', async () => {
    const { loop, slots, clock, processed } = bench({ messages: 2, slots: 1 });
    await loop.start();
    await turn();
    slots.release();
    await turn();
    expect(processed).toHaveLength(2);
    expect(clock.sleeping).toBe(0);
  });

  it('waits for a broker that is away, longer and longer, and says so once', async () => {
    const { loop, clock, failures, processed, log } = bench({ messages: 1, slots: 1 });
    failures.push(...Array.from({ length: 5 }, () => new BrokerUnavailable('locked')));
    await loop.start();
    for (let tries = 0; tries < 5; tries++) {
      await turn();
      expect(processed).toHaveLength(0);
      await clock.advance(5000);
    }
    expect(processed).toHaveLength(1);
    expect(log.texts('error')).toHaveLength(1);
    expect(log.texts('info')).toEqual(['claiming messages again']);
  });

  it('stops while it waits for a message', async () => {
    const { loop } = bench({ messages: 0, slots: 1 });
    await loop.start();
    await turn();
    await loop.stop();
  });

  it('stops while it waits for a slot', async () => {
    const { loop, processed } = bench({ messages: 5, slots: 1 });
    await loop.start();
    await turn();
    await loop.stop();
    expect(processed).toHaveLength(1);
  });

  it('stops while the broker is away', async () => {
    const { loop, failures } = bench({ messages: 0, slots: 1 });
    failures.push(new BrokerUnavailable('gone'));
    await loop.start();
    await turn();
    await loop.stop();
  });

  it('gives back what it had already claimed when it was stopped', async () => {
    const { loop, source, slots, processed, givenBack } = bench({ messages: 0, slots: 2 });
    const claimed = deferred<void>();
    source.claim = async () => {
      await claimed.promise;
      return [{} as Delivery, {} as Delivery]; // the loop only passes them on
    };
    await loop.start();
    const stopped = loop.stop();
    claimed.resolve();
    await stopped;
    expect(processed).toHaveLength(0);
    expect(givenBack).toHaveLength(2);
    expect(slots.free).toBe(2);
  });

  it('lets timers and signals have their turn though the queue never runs dry', async () => {
    const { loop, source, slots } = bench({ messages: 0, slots: 1 });
    let claims = 0;
    source.claim = async (_, signal) => {
      claims++;
      queueMicrotask(() => slots.release());
      return signal.aborted ? [] : [{} as Delivery]; // the loop only passes them on
    };
    await loop.start();
    await until(() => claims > 10); // it looks by a timer
    await loop.stop();
  });
});
