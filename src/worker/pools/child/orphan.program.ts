// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** `orphan.thread.ts` as a program of its own, for a thread. */
export const program: string = `"use strict";

var import_node_net = require("node:net");
var import_node_worker_threads = require("node:worker_threads");
var { fd } = import_node_worker_threads.workerData;
var pipe = new import_node_net.Socket({ fd, readable: true, writable: false });
pipe.on("error", () => void 0);
pipe.on("close", () => process.kill(process.pid, "SIGKILL"));
pipe.resume();
`;
