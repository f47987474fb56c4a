import { expect, it } from 'vitest';
import { poolSizeOf } from '../../src/protocol/pool-size.ts';

it.each([
  [
    "Python's prefork after it has grown",
    { pool: { 'max-concurrency': 2, processes: [7, 8, 9], 'put-guarded-by-semaphore': false } },
    3,
  ],
  ["Python's threads", { pool: { 'max-concurrency': 4, threads: 1 } }, 4],
  [
    'ours, of many slots in one process',
    { pool: { implementation: 'umbel:event-loop', 'max-concurrency': 4, processes: [7] } },
    4,
  ],
  ['none', { pool: 'N/A' }, null],
  ['no reply', undefined, null],
])('the size of a pool is what it is now: %s', (_, stats, size) => {
  expect(poolSizeOf(stats)).toBe(size);
});
