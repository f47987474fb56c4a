// A child whose worker was killed ends with it at once, also in code that never comes back to the event loop: another worker may have its
// task a moment later.
import { Worker } from 'node:worker_threads';

/** The descriptor of a pipe whose other end the worker alone holds, and never writes to: the system closes it when the worker dies. */
export const parentPipe = 4;

const watch = `
const { Socket } = require('node:net');
const { fd } = require('node:worker_threads').workerData;
const pipe = new Socket({ fd, readable: true, writable: false });
pipe.on('error', () => {});
pipe.on('close', () => process.kill(process.pid, 'SIGKILL'));
pipe.resume();
`;

/** Kills this process when its parent is gone. In a thread of its own, which keeps nothing alive. */
export function dieWithParent(): void {
  const thread = new Worker(watch, {
    eval: true,
    execArgv: [],
    workerData: { fd: parentPipe },
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  thread.on('error', () => undefined); // then it is as without it
  thread.unref();
}
