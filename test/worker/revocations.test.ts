import { expect, it } from 'vitest';
import { silentLogger } from '../../src/lib/logger.ts';
import {
  maxRevocationLength,
  maxRevocations,
  stampRevocation,
  taskRevocation,
} from '../../src/stores/fanout.ts';
import { Revocations } from '../../src/worker/revocations.ts';
import { FakeClock } from './fake-clock.ts';

it('a revoked id is forgotten after three hours, as in Celery', async () => {
  const clock = new FakeClock();
  const put: number[] = [];
  const retained = {
    put: async (_: readonly string[], untilMs: number) => void put.push(untilMs),
    read: async () => [],
  };
  const revocations = new Revocations({ revocations: retained, clock, logger: silentLogger });
  await revocations.revoke([taskRevocation('a')]);
  const hour = 3600 * 1000;
  expect(put).toEqual([clock.now() + 3 * hour]);
  await clock.advance(3 * hour - 1);
  expect(revocations.has({ id: 'a', rootId: 'a', stamps: {} })).toBe(true);
  expect(revocations.ids).toEqual(['a']);
  await clock.advance(2);
  expect(revocations.has({ id: 'a', rootId: 'a', stamps: {} })).toBe(false);
  expect(revocations.ids).toEqual([]);
});

const kept = { put: async () => undefined, read: async () => [] };

it('what is remembered of revoked ids and stamps is bounded, and a message is asked for its own stamps only', async () => {
  const revocations = new Revocations({ revocations: kept, clock: new FakeClock(), logger: silentLogger });
  await revocations.revoke([stampRevocation('first', 'v')]);
  expect(revocations.has({ id: 'x', rootId: 'x', stamps: { first: ['u', 'v'] } })).toBe(true);
  await revocations.revoke(
    Array.from({ length: maxRevocations }, (_, n) => stampRevocation(`name ${n}`, 'v')),
  );
  expect(revocations.has({ id: 'x', rootId: 'x', stamps: { first: ['u', 'v'] } })).toBe(false);
  expect(revocations.has({ id: 'x', rootId: 'x', stamps: { 'name 7': 'v' } })).toBe(true);
  let asked = 0;
  const stamps = new Proxy<Record<string, unknown>>(
    { own: 'v' },
    {
      get: (from, name) => {
        asked++;
        return Reflect.get(from, name);
      },
      getOwnPropertyDescriptor: (from, name) => {
        asked++;
        return Reflect.getOwnPropertyDescriptor(from, name);
      },
    },
  );
  expect(revocations.has({ id: 'x', rootId: 'x', stamps })).toBe(false);
  expect(asked).toBeLessThan(10);
});

it('long ids do not fill the memory', async () => {
  const revocations = new Revocations({ revocations: kept, clock: new FakeClock(), logger: silentLogger });
  await revocations.revoke([taskRevocation('x'.repeat(maxRevocationLength))]);
  expect(revocations.ids).toEqual([]);
  for (let n = 0; n < 30; n++)
    await revocations.revoke(
      Array.from({ length: 100 }, (_, m) => taskRevocation(`${n} ${m} ${'x'.repeat(10_000)}`)),
    );
  expect(revocations.ids.length).toBeLessThan(2000);
  expect(revocations.has({ id: `29 99 ${'x'.repeat(10_000)}`, rootId: 'x', stamps: {} })).toBe(true);
});
