// The conformance cases of what is shown of limits and locks, for stores of messages and of results.
import assert from 'node:assert/strict';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../stores/limits.ts';
import type { Locks } from '../stores/locks.ts';

interface KeepsLimits {
  openLimits?(options: LimitsOptions): Promise<Limits>;
  readLimits?(reading: LimitReading): Promise<LimitReport>;
  openLocks?(): Promise<Locks>;
}

const waits = { waits: true, baseMs: 60_000, perMs: 0, capMs: 60_000 } as const;

/** The title and the body of a case with two handles on one store. A store that keeps no limits passes. */
export const limitReportCase = {
  title:
    'limits are shown to other processes: who has a permit, who waits, rates and what was set for all, and that changes nothing',
  async run(open: () => Promise<KeepsLimits>): Promise<void> {
    const [one, other] = [await open(), await open()];
    const read = async (reading: LimitReading = { counters: 10, each: 10 }): Promise<LimitReport> => {
      const report = await other.readLimits?.(reading);
      assert(report !== undefined, 'a store that keeps limits shows them');
      return report;
    };
    const limits = await one.openLimits?.({ leaseMs: 60_000, name: 'w', onFree: () => undefined });
    if (limits === undefined) return assert.equal(other.readLimits, undefined);
    try {
      assert.deepEqual(await read(), { uses: [], more: false, overrides: [] });
      const mail = { kind: 'concurrency', name: 'mail', key: 'mail|größer', limit: 2, burst: 1 } as const;
      for (const id of ['a', 'b', 'c', 'd'])
        await limits.take({ token: `${id}/1`, id, queue: 'slow', asks: [mail], ...waits });
      const sms = { kind: 'rate', name: 'sms', key: 'sms', limit: 0.01, burst: 1 } as const;
      for (const id of ['e', 'f'])
        await limits.take({ token: `${id}/1`, id, queue: 'slow', asks: [sms], ...waits });
      await limits.override('rate', 'the sms', 2.5);
      await limits.override('concurrency', 'mail', null);
      const { uses, more, overrides } = await read();
      assert.equal(more, false);
      assert.deepEqual(
        uses.map(({ holders, waiters, rate, ...use }) => ({
          ...use,
          holders: [...holders].sort(),
          waiters: waiters.map(({ id, queue }) => `${id} ${queue}`).sort(),
          reserved: rate?.reserved ?? null,
        })),
        [
          {
            key: 'mail|größer',
            inUse: 2,
            waiting: 2,
            holders: ['a', 'b'],
            waiters: ['c slow', 'd slow'],
            reserved: null,
          },
          { key: 'sms', inUse: 0, waiting: 0, holders: [], waiters: [], reserved: 1 },
        ],
      );
      const now = Date.now();
      for (const { sinceMs } of uses[0]?.waiters ?? []) assert(Math.abs(now - sinceMs) < 60_000);
      assert(Math.abs((uses[1]?.rate?.nextMs ?? 0) - now - 200_000) < 60_000, 'the rate starts one in 100 s');
      assert.deepEqual(
        [...overrides].sort((a, b) => (a.kind < b.kind ? -1 : 1)),
        [
          { kind: 'concurrency', name: 'mail', limit: null },
          { kind: 'rate', name: 'the sms', limit: 2.5 },
        ],
      );
      const few = await read({ counters: 1, each: 1 });
      assert.equal(few.more, true);
      assert.deepEqual(
        [few.uses.length, few.uses[0]?.holders.length, few.uses[0]?.waiters.length],
        [1, 1, 1],
      );
      assert.equal(few.uses[0]?.waiting, 2);
      assert.equal((await read()).uses[0]?.inUse, 2);
      await limits.override('concurrency', 'mail', undefined);
    } finally {
      await limits.close();
    }
    assert.equal((await read()).uses.find(({ key }) => key === 'mail|größer')?.inUse ?? 0, 0);
  },
};

/** The same for locks of unique tasks. */
export const lockListCase = {
  title: 'locks of unique tasks are listed with the tasks that have them, until they are released',
  async run(open: () => Promise<KeepsLimits>): Promise<void> {
    const [one, other] = [await (await open()).openLocks?.(), await (await open()).openLocks?.()];
    if (one === undefined || other?.list === undefined) return;
    assert.deepEqual(await other.list(10), { locks: [], more: false });
    for (const [key, id] of [
      ['shop.mail|größer*', 'a'],
      ['shop.mail|', 'b'],
    ] as const)
      await one.take({ key, id, ttlMs: 60_000, replace: false });
    const { locks, more } = await other.list(10);
    assert.deepEqual(
      locks.map(({ key, id }) => `${key} ${id}`),
      ['shop.mail| b', 'shop.mail|größer* a'],
    );
    assert.equal(more, false);
    const few = await other.list(1);
    assert.deepEqual([few.locks.length, few.more], [1, true]);
    await other.release('shop.mail|', 'b');
    assert.deepEqual(
      (await one.list?.(10))?.locks.map(({ id }) => id),
      ['a'],
    );
  },
};
