import { expect, it } from 'vitest';
import { openMemory } from '../../src/stores/memory/memory.ts';
import { MemoryPauses } from '../../src/stores/memory/memory-pauses.ts';
import { Pauses } from '../../src/worker/pauses.ts';
import { FakeClock, turn } from './fake-clock.ts';
import { MemoryLog } from './memory-log.ts';

it('what is paused is found without a word, if who paused it died before telling', async () => {
  const store = new MemoryPauses(openMemory('pauses'));
  const clock = new FakeClock(0);
  const paused: string[][] = [];
  const pauses = new Pauses({
    store,
    known: [],
    transport: { onStatus: () => () => undefined },
    sources: { pause: async (queues) => void paused.push([...queues]) },
    clock,
    logger: new MemoryLog(),
  });
  await pauses.start();
  await turn();
  expect(paused).toEqual([[]]);
  const since = new Date(5);
  await store.put({ kind: 'queue', name: 'mail', since, by: 'ann', reason: '' });
  await store.put({ kind: 'task', name: 'shop.add', since, by: 'ann', reason: '' });
  expect(pauses.since('shop.add')).toBeNull();
  await clock.advance(10_000);
  await turn();
  expect(paused).toEqual([[], ['mail']]);
  expect(pauses.since('shop.add')).toEqual(since);
  expect(pauses.since('shop.other')).toBeNull();
  await pauses.stop();
});
