// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** `event-loop-monitor.thread.ts` as a program of its own, for a thread. */
export const program: string = `"use strict";

var import_node_fs = require("node:fs");
var import_node_worker_threads = require("node:worker_threads");
var { shared, name, everyMs, warnAfterMs, maxBlockedMs } = import_node_worker_threads.workerData;
var beats = new Int32Array(shared, 0, 2);
var label = Buffer.from(shared, 8);
var beat = -1;
var since = performance.now();
var looked = performance.now();
var warned = null;
setInterval(() => {
  const now = performance.now();
  const stoodStill = now - looked > 5 * everyMs;
  looked = now;
  const last = Atomics.load(beats, 0);
  if (last !== beat || stoodStill) {
    if (warned !== null) import_node_worker_threads.parentPort?.postMessage({ blockedMs: now - since, task: warned });
    [beat, since, warned] = [last, now, null];
    return;
  }
  const blockedMs = now - since;
  if (warned === null && blockedMs >= warnAfterMs) {
    warned = task();
    say(blockedMs, "");
  }
  if (maxBlockedMs > 0 && blockedMs >= maxBlockedMs) {
    say(blockedMs, ": workerMaxBlocked ends this process");
    process.kill(process.pid, "SIGKILL");
  }
}, everyMs);
function task() {
  return label.toString("utf8", 0, Atomics.load(beats, 1)).replace(/[\\x00-\\x1f\\x7f-\\x9f]/g, "?");
}
function say(blockedMs, more) {
  const seconds = Math.round(blockedMs / 1e3);
  const text = \`umbel: \${name}: the event loop has been blocked for \${seconds} s; the task that began last is \${task() || "none"}\${more}
\`;
  try {
    (0, import_node_fs.writeSync)(2, text);
  } catch {
  }
}
`;
