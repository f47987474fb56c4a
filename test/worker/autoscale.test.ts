import { expect, it } from 'vitest';
import { Autoscaler } from '../../src/worker/autoscale.ts';
import { Slots } from '../../src/worker/slots.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryLog } from './memory-log.ts';

function bench(min: number, max: number) {
  const clock = new FakeClock();
  const slots = new Slots(min);
  const logger = new MemoryLog();
  const sizes: number[] = [];
  const resize = (size: number): void => {
    sizes.push(size);
    slots.resize(size);
  };
  const scaler = new Autoscaler({ min, max, slots, resize, clock, logger });
  return { clock, slots, sizes, logger, scaler };
}

it('adds places while all are taken, up to the most', async () => {
  const { clock, slots, sizes, scaler } = bench(2, 7);
  await scaler.start();
  for (let second = 0; second < 4; second++) {
    while (slots.free > 0) slots.take();
    await clock.advance(1000);
  }
  expect(sizes).toEqual([4, 7]);
  await scaler.stop();
});

it('gives up what was not needed for half a minute, down to what was, and to the least', async () => {
  const { clock, slots, sizes, logger, scaler } = bench(2, 8);
  await scaler.start();
  for (let second = 0; second < 3; second++) {
    while (slots.free > 0) slots.take();
    await clock.advance(1000);
  }
  for (let n = 0; n < 5; n++) slots.release();
  for (let second = 0; second < 70; second++) await clock.advance(1000);
  expect(sizes).toEqual([4, 8, 4]);
  for (let n = 0; n < 3; n++) slots.release();
  for (let second = 0; second < 70; second++) await clock.advance(1000);
  expect(sizes).toEqual([4, 8, 4, 2]);
  expect(logger.texts('info').at(-1)).toBe('autoscale: 4 -> 2 slots, since fewer were needed for 30 s');
  await scaler.stop();
});
