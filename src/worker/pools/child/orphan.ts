// Ends a child when its parent is killed, also in code that never returns to the event loop. A child of a pool ends at once: another worker
// may have its task a moment later.

import program from 'thread:./orphan.thread.ts';
import { Worker } from 'node:worker_threads';

/** The descriptor of a pipe whose other end only the parent holds, and never writes to: the system closes it when the parent dies. */
export const parentPipe = 4;

/** The thread's start data. */
export interface OrphanData {
  readonly fd: number;
  readonly afterMs: number;
}

/** Kills this process when its parent is gone, after a time in which it may end by itself. Runs in a thread of its own, which keeps nothing alive. */
export function dieWithParent(afterMs = 0): void {
  const thread = new Worker(program, {
    eval: true,
    execArgv: [],
    workerData: { fd: parentPipe, afterMs } satisfies OrphanData,
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  thread.on('error', () => undefined); // then the child works without it
  thread.unref();
}
