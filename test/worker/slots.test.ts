import { expect, it } from 'vitest';
import { Slots } from '../../src/worker/slots.ts';

it('who waits for a free slot waits until one is given back', async () => {
  const slots = new Slots(1);
  slots.take();
  let free = false;
  const waiting = slots.whenFree().then(() => {
    free = true;
  });
  await Promise.resolve();
  expect(free).toBe(false);
  slots.release();
  await waiting;
  expect(slots.free).toBe(1);
});

it('all slots that are given back in one turn are free when the first who waits goes on', async () => {
  const slots = new Slots(3);
  for (let index = 0; index < 3; index++) slots.take();
  const settled = new Promise<void>((resolve) => setImmediate(resolve));
  for (let index = 0; index < 3; index++) void settled.then(() => slots.release());
  await slots.whenFree();
  expect(slots.free).toBe(3);
});

it('a nudge wakes who waits though no slot is free', async () => {
  const slots = new Slots(1);
  slots.take();
  const waiting = slots.whenFree();
  slots.nudge();
  await waiting;
  expect(slots.free).toBe(0);
});

it('idle is when none is taken', async () => {
  const slots = new Slots(2);
  await slots.whenIdle();
  slots.take();
  slots.take();
  let idle = false;
  const waiting = slots.whenIdle().then(() => {
    idle = true;
  });
  slots.release();
  await Promise.resolve();
  expect(idle).toBe(false);
  slots.release();
  await waiting;
});
