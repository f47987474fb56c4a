// A child whose worker was killed ends with it, also in code that never comes back to the event loop.
import { Worker } from 'node:worker_threads';

/** How often it is looked, milliseconds. */
const lookMs = 1000;

const watch = `
const { parent, lookMs } = require('node:worker_threads').workerData;
setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, lookMs);
`;

/** Kills this process when `parent` is not its parent any more. In a thread of its own, which keeps nothing alive. */
export function dieWith(parent: number): void {
  const thread = new Worker(watch, {
    eval: true,
    execArgv: [],
    workerData: { parent, lookMs },
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  thread.on('error', () => undefined); // then it is as without it
  thread.unref();
}
