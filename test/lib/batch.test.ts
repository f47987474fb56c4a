import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { chunksOf, MicroBatcher, SerialBatcher } from '../../src/lib/batch.ts';

test('what is asked for in one turn goes together, and the next turn does not wait for it', async () => {
  const handed: (readonly number[])[] = [];
  const batcher = new MicroBatcher<number>((items) => void handed.push(items));
  batcher.add(1);
  await Promise.resolve().then(() => batcher.add(2));
  expect(handed).toEqual([]);
  await nextTurn();
  batcher.add(3);
  await nextTurn();
  expect(handed).toEqual([[1, 2], [3]]);
});

test('a full batch goes at once, and the rest of the turn together', async () => {
  const handed: (readonly number[])[] = [];
  const batcher = new MicroBatcher<number>((items) => void handed.push(items), queueMicrotask, 2);
  for (const item of [1, 2, 3, 4, 5]) batcher.add(item);
  expect(handed).toEqual([
    [1, 2],
    [3, 4],
  ]);
  await nextTurn();
  batcher.add(6);
  batcher.add(7);
  await nextTurn();
  expect(handed).toEqual([[1, 2], [3, 4], [5], [6, 7]]);
});

test('one batch at a time: what comes meanwhile makes the next, together with what its end asks for', async () => {
  const begun: number[][] = [];
  const ends: (() => void)[] = [];
  const batcher = new SerialBatcher<number>((queue) => {
    begun.push(queue.splice(0, 3));
    return new Promise((resolve) => ends.push(resolve));
  });
  for (const item of [1, 2, 3, 4]) batcher.add(item);
  await nextTurn();
  await nextTurn();
  batcher.add(5);
  expect(begun).toEqual([[1, 2, 3]]);
  ends.shift()?.();
  batcher.add(6);
  const settled = batcher.settled();
  while (begun.length < 2) await nextTurn();
  ends.shift()?.();
  await settled;
  expect(begun).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  batcher.add(7); // it begins again
  while (begun.length < 3) await nextTurn();
  ends.shift()?.();
  await batcher.settled();
  expect(begun.at(-1)).toEqual([7]);
});

test('chunks hold so many items, and about so much', () => {
  expect(chunksOf([1, 2, 3, 4, 5], 2, 100, () => 1)).toEqual([[1, 2], [3, 4], [5]]);
  expect(chunksOf([4, 4, 9, 1], 10, 8, (item) => item)).toEqual([[4, 4], [9], [1]]);
  expect(chunksOf([], 2, 8, () => 1)).toEqual([]);
});
