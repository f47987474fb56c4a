// Ends a child when its worker is killed, at once, also in code that never returns to the event loop: another worker may have its task a
// moment later.

import program from 'thread:./orphan.thread.ts';
import { Worker } from 'node:worker_threads';

/** The descriptor of a pipe whose other end only the worker holds, and never writes to: the system closes it when the worker dies. */
export const parentPipe = 4;

/** The thread's start data. */
export interface OrphanData {
  readonly fd: number;
}

/** Kills this process when its parent is gone. Runs in a thread of its own, which keeps nothing alive. */
export function dieWithParent(): void {
  const thread = new Worker(program, {
    eval: true,
    execArgv: [],
    workerData: { fd: parentPipe } satisfies OrphanData,
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  thread.on('error', () => undefined); // then the child works without it
  thread.unref();
}
