// Bounds on what a decoder costs. Seconds are judged in the long run only; the default run counts work, see work.test.ts.
import { expect } from 'vitest';
import { isLong } from '../run/scale.ts';

/** What `run` returns; in the long run it may take so much time of the CPU, whatever the machine does beside it. */
export function withinCpuMs<T>(maxMs: number, run: () => T): T {
  const before = process.cpuUsage();
  const value = run();
  const { user, system } = process.cpuUsage(before);
  if (isLong) expect((user + system) / 1000).toBeLessThan(maxMs);
  return value;
}

/** Bytes of buffers that `run` has made and not given back. */
export function bytesMadeBy(run: () => unknown): number {
  const before = process.memoryUsage().arrayBuffers;
  run();
  return process.memoryUsage().arrayBuffers - before;
}
