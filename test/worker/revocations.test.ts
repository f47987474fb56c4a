import { expect, it } from 'vitest';
import { silentLogger } from '../../src/lib/logger.ts';
import { idNotice } from '../../src/transports/fanout.ts';
import { Revocations } from '../../src/worker/revocations.ts';
import { FakeClock } from './fake-clock.ts';

it('a revoked id is forgotten after three hours, as in Celery', async () => {
  const clock = new FakeClock();
  const put: number[] = [];
  const notices = {
    put: async (_: readonly string[], untilMs: number) => void put.push(untilMs),
    read: async () => [],
  };
  const revocations = new Revocations({ notices, clock, logger: silentLogger });
  await revocations.revoke([idNotice('a')]);
  const hour = 3600 * 1000;
  expect(put).toEqual([clock.now() + 3 * hour]);
  await clock.advance(3 * hour - 1);
  expect(revocations.has({ id: 'a', stamps: {} })).toBe(true);
  expect(revocations.ids).toEqual(['a']);
  await clock.advance(2);
  expect(revocations.has({ id: 'a', stamps: {} })).toBe(false);
  expect(revocations.ids).toEqual([]);
});
