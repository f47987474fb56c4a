// What each store of limits does: the same rules in memory, in SQLite and in Redis.

import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LimitAsk, Limits, TakeRequest, WaitingMessage } from '../../src/stores/limits.ts';
import { openTransport } from '../../src/stores/registry.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { newStore } from '../worker/bench.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
let redis: RedisServerProcess; // for those tests that have one
beforeAll(async () => {
  if (noRedis === undefined) redis = await RedisServerProcess.shared();
});
let db = 0;

async function open(
  kind: 'memory' | 'sqlite' | 'redis',
): Promise<{ limits: Limits; other: Limits; freed: WaitingMessage[] }> {
  const url = kind === 'redis' ? redis.url(db++) : await newStore(kind);
  const freed: WaitingMessage[] = [];
  const one = async (): Promise<Limits> => {
    const transport = await openTransport(url);
    const limits = await transport.openLimits?.({
      leaseMs: 60_000,
      name: 'w',
      onFree: (waiters) => freed.push(...waiters),
    });
    ends.push(async () => {
      await limits?.close();
      await transport.close();
    });
    if (limits === undefined) throw new Error('no limits');
    return limits;
  };
  return { limits: await one(), other: await one(), freed };
}

const three = (key = 'mail'): LimitAsk => ({ kind: 'concurrency', name: 'mail', key, limit: 3, burst: 1 });
const perSecond = (limit: number, burst = 1): LimitAsk => ({
  kind: 'rate',
  name: 'sms',
  key: 'sms',
  limit,
  burst,
});
const asking = (id: string, ...asks: LimitAsk[]): TakeRequest => ({
  token: id,
  id,
  queue: 'celery',
  asks,
  waits: true,
  baseMs: 10_000,
  perMs: 100,
  capMs: 600_000,
});
const ids = (waiters: readonly WaitingMessage[]): string[] => waiters.map(({ id }) => id);

describe.each(['memory', 'sqlite', 'redis'] as const)('on %s', (kind) => {
  needs(describe, kind === 'redis' ? noRedis : undefined)('shared limits', () => {
    it('give so many permits to all together, however many ask at once, and a repeated request the same one', async () => {
      const { limits, other } = await open(kind);
      const asked = Array.from({ length: 50 }, (_, n) =>
        (n % 2 ? limits : other).take(asking(`t${n}`, three())),
      );
      const granted = (await Promise.all(asked)).flatMap(({ granted }, n) => (granted ? [n] : []));
      expect(granted).toHaveLength(3);
      const first = granted[0] ?? 0;
      expect(await (first % 2 ? limits : other).take(asking(`t${first}`, three()))).toEqual({
        granted: true,
      });
      expect(await limits.take(asking('elsewhere', three('another key')))).toEqual({ granted: true });
    });

    it('tell who has waited longest, and as many as there is room for, to come; who is new does not overtake them', async () => {
      const { limits, other, freed } = await open(kind);
      for (const id of ['a', 'b', 'c']) await limits.take(asking(id, three()));
      const waits = [await other.take(asking('d', three())), await other.take(asking('e', three()))];
      limits.release('a', [three()]);
      await until(() => freed.length === 1);
      const [d] = waits;
      const due = d?.granted === false ? d.untilMs : 0;
      expect(freed).toMatchObject([{ key: 'mail', id: 'd', queue: 'celery', due }]);
      expect(await other.take(asking('new', three()))).toMatchObject({ granted: false });
      expect(await limits.take(asking('d', three()))).toEqual({ granted: true });
      limits.release('b', [three()]);
      limits.release('c', [three()]);
      await until(() => freed.length === 3);
      expect(ids(freed)).toEqual(['d', 'e', 'new']);
    });

    it('tell the next when one that was told is not there any more', async () => {
      const { limits, freed } = await open(kind);
      for (const id of ['a', 'b', 'c', 'gone', 'next']) await limits.take(asking(id, three()));
      limits.release('a', [three()]);
      await until(() => freed.length === 1);
      limits.cancelWait(freed[0] as WaitingMessage);
      await until(() => freed.length === 2);
      expect(ids(freed)).toEqual(['gone', 'next']);
    });

    it('free what a worker held when it goes', async () => {
      const { limits, other, freed } = await open(kind);
      for (const id of ['a', 'b', 'c']) await other.take(asking(id, three()));
      expect(await limits.take(asking('d', three()))).toMatchObject({ granted: false });
      await other.close();
      await until(() => freed.length > 0);
      expect(await limits.take(asking('d', three()))).toEqual({ granted: true });
    });

    it('give each start of a rate a moment of its own, also across workers; after a pause some at once', async () => {
      const { limits, other } = await open(kind);
      const hourly = { ...perSecond(1 / 3600), key: 'hourly' };
      const times: number[] = [];
      for (let n = 0; n < 4; n++) {
        const grant = await (n % 2 ? limits : other).take(asking(`h${n}`, hourly));
        times.push(grant.granted ? 0 : grant.untilMs);
      }
      const [now = 1, first = 0, second = 0, third = 0] = times;
      expect(now).toBe(0);
      expect(second - first).toBeGreaterThanOrEqual(3_599_999);
      expect(third - second).toBeGreaterThanOrEqual(3_599_999);
      expect(await limits.take(asking('h1', hourly))).toEqual({ granted: false, untilMs: first });
      // One that comes at its moment may start.
      await limits.take(asking('r0', perSecond(10)));
      const r1 = asking('r1', perSecond(10));
      const early = await other.take(r1);
      const time = early.granted ? 0 : early.untilMs;
      await until(() => Date.now() > time + 5);
      if (!early.granted) expect(await limits.take(r1)).toEqual({ granted: true });
      const burst = { ...perSecond(0.01, 2), key: 'burst' };
      const all = [];
      for (const id of ['x', 'y', 'z']) all.push((await other.take(asking(id, burst))).granted);
      expect(all).toEqual([true, true, false]);
    });

    it('take all of several, or none', async () => {
      const { limits } = await open(kind);
      const one: LimitAsk = { kind: 'concurrency', name: 'one', key: 'one', limit: 1, burst: 1 };
      expect(await limits.take(asking('a', one))).toEqual({ granted: true });
      for (let n = 0; n < 4; n++)
        expect(await limits.take(asking(`b${n}`, three(), one))).toMatchObject({ granted: false });
      for (const id of ['c', 'd', 'e'])
        expect(await limits.take(asking(id, three()))).toEqual({ granted: true });
    });

    it('can be changed for all, and back', async () => {
      const { limits, other } = await open(kind);
      await limits.override('concurrency', 'mail', 1);
      expect((await other.take(asking('a', three()))).granted).toBe(true);
      expect((await other.take(asking('b', three()))).granted).toBe(false);
      await limits.override('concurrency', 'mail', null);
      for (const id of ['b', 'c', 'd']) expect((await other.take(asking(id, three()))).granted).toBe(true);
      await limits.override('concurrency', 'mail', undefined);
      expect((await other.take(asking('e', three()))).granted).toBe(true);
    });
  });
});
