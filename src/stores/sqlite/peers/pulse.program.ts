// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** `pulse.thread.ts` as a program of its own, for a thread. */
export const program: string = `"use strict";

var import_node_fs = require("node:fs");
var import_node_worker_threads = require("node:worker_threads");
var { file, everyMs } = import_node_worker_threads.workerData;
setInterval(() => {
  const now = /* @__PURE__ */ new Date();
  try {
    (0, import_node_fs.utimesSync)(file, now, now);
  } catch {
  }
}, everyMs);
`;
