// The thread that watches the event loop.
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { BlockEnded, MonitorData } from './event-loop-monitor.ts';

const { shared, name, everyMs, warnAfterMs, maxBlockedMs } = workerData as MonitorData; // `EventLoopMonitor` gave it
const beats = new Int32Array(shared, 0, 2);
const label = Buffer.from(shared, 8);

let beat = -1;
let since = performance.now();
let looked = performance.now();
/** The task that the last warning named. */
let warned: string | null = null;

setInterval(() => {
  const now = performance.now();
  const stoodStill = now - looked > 5 * everyMs; // the whole process stood still, this thread, too
  looked = now;
  const last = Atomics.load(beats, 0);
  if (last !== beat || stoodStill) {
    if (warned !== null)
      parentPort?.postMessage({ blockedMs: now - since, task: warned } satisfies BlockEnded);
    [beat, since, warned] = [last, now, null];
    return;
  }
  const blockedMs = now - since;
  if (warned === null && blockedMs >= warnAfterMs) {
    warned = task();
    report(blockedMs, '');
  }
  if (maxBlockedMs > 0 && blockedMs >= maxBlockedMs) {
    report(blockedMs, ': workerMaxBlocked ends this process');
    process.kill(process.pid, 'SIGKILL');
  }
}, everyMs);

/** The task that began last. */
function task(): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those that a terminal obeys
  return label.toString('utf8', 0, Atomics.load(beats, 1)).replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}

function report(blockedMs: number, more: string): void {
  const seconds = Math.round(blockedMs / 1000);
  const text = `umbel: ${name}: the event loop has been blocked for ${seconds} s; the task that began last is ${task() || 'none'}${more}\n`;
  try {
    writeSync(2, text);
  } catch {
    // Standard error is closed.
  }
}
