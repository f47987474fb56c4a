// When a message comes due, to the millisecond: on the stores that can be given a clock.
import { expect, test } from 'vitest';
import type { Delivery } from '../../src/stores/transport.ts';
import { claimOne, idOf, publication } from '../../src/testing/conformance.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { until } from '../until.ts';
import { Opened } from './run.ts';
import { memoryStore, sqliteStore } from './stores.ts';

test.each([
  ['memory', memoryStore],
  ['sqlite', sqliteStore],
])('on %s one who waits has a message when it comes due, and not a millisecond before', async (_, newStore) => {
  const clock = new FakeClock();
  const store = newStore();
  const opened = new Opened();
  try {
    const [transport, sender] = [
      opened.add(await store.openTransport({ clock })),
      opened.add(await store.openTransport({ clock })),
    ];
    const consumer = await transport.consume({ queues: ['celery'], name: 'waits', leaseMs: 1_000_000 });
    for (const afterMs of [60, 40, 20]) {
      let came: Delivery | null = null;
      const claiming = claimOne(consumer).then((delivery) => {
        came = delivery;
        return delivery;
      });
      // The waiting one sleeps until the far one is due, and is told of the near one.
      await sender.publish([publication('far', { eta: new Date(clock.now() + 3_600_000) })]);
      await sender.publish([publication(`in ${afterMs}`, { eta: new Date(clock.now() + afterMs) })]);
      await clock.advance(afterMs - 1);
      await new Promise((resolve) => setTimeout(resolve, 20)); // nothing comes
      expect(came).toBeNull();
      await clock.advance(1);
      // It may lie down just now, for no time at all.
      await until(() => clock.advance(0).then(() => came !== null));
      const delivery = await claiming;
      expect(idOf(delivery)).toBe(`in ${afterMs}`);
      await delivery.settle({ kind: 'ack' });
    }
  } finally {
    await opened.close();
    await store.remove();
  }
});
