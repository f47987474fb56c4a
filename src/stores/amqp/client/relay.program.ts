// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** `relay.thread.ts` as a program of its own, for a thread. */
export const program: string = `"use strict";

var import_node_fs = require("node:fs");
var import_node_net = require("node:net");
var import_node_tls = require("node:tls");
var import_node_worker_threads = require("node:worker_threads");

var FrameReader = class {
  /** What is left of the protocol's header. */
  #greeting = 8;
  /** Of a frame's header. */
  #head = Buffer.alloc(7);
  #have = 0;
  /** What is left of a frame's payload, and the byte at its end. */
  #left = 0;
  push(chunk) {
    let at = Math.min(this.#greeting, chunk.length);
    this.#greeting -= at;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
      } else {
        this.#head[this.#have++] = chunk[at++] ?? 0;
        if (this.#have < this.#head.length) continue;
        this.#have = 0;
        this.#left = this.#head.readUInt32BE(3) + 1;
      }
    }
  }
  /** Nothing is under way: another frame may be put in here. */
  get isBetween() {
    return this.#greeting === 0 && this.#have === 0 && this.#left === 0;
  }
};

var heartbeat = Buffer.from([8, 0, 0, 0, 0, 0, 0, 206]);
var end = () => void 0;
var beat = () => void 0;
var timer;
import_node_worker_threads.parentPort?.on("message", (message) => {
  if ("open" in message) open(message.open);
  else if (message.beatMs > 0) beat(message.beatMs);
});
function open({ id, path, host, port, secure, options, timeoutMs }) {
  end();
  let server;
  let local;
  let told = false;
  const { checkHostname, ...rest } = options;
  const unnamed = checkHostname === false ? { checkServerIdentity: () => void 0 } : {};
  const named = (0, import_node_net.isIP)(host) ? {} : { servername: host };
  const remote = secure ? (0, import_node_tls.connect)({ ...named, ...rest, ...unnamed, host, port }) : (0, import_node_net.connect)({ host, port });
  const tell = (answer) => {
    if (!told) import_node_worker_threads.parentPort?.postMessage(answer);
    told = true;
  };
  const mine = (error) => {
    clearTimeout(late);
    if (end === mine) {
      clearInterval(timer);
      end = () => void 0;
      beat = () => void 0;
    }
    remote.destroy();
    server?.close();
    local?.destroy();
    tell({ id, error: { message: error?.message || "closed", code: error?.code } });
  };
  end = mine;
  const late = setTimeout(() => mine(new Error("connect ETIMEDOUT")), timeoutMs);
  remote.setNoDelay(true);
  remote.setKeepAlive(true);
  remote.on("error", mine);
  remote.on("close", () => {
    if (local === void 0) mine();
    else local.end();
  });
  remote.once(secure ? "secureConnect" : "connect", () => {
    clearTimeout(late);
    server = (0, import_node_net.createServer)((socket) => {
      server?.close();
      server = void 0;
      local = socket;
      pass(socket, remote, mine);
    });
    server.on("error", mine);
    server.listen(path, () => {
      if (process.platform !== "win32") (0, import_node_fs.chmodSync)(path, 384);
      tell({ id });
    });
  });
}
function pass(local, remote, over) {
  const frames = new FrameReader();
  let quiet = true;
  local.on("error", () => over());
  local.on("close", () => over());
  local.on("end", () => remote.end());
  local.on("data", (chunk) => {
    quiet = false;
    frames.push(chunk);
    if (remote.write(chunk)) return;
    local.pause();
    remote.once("drain", () => local.resume());
  });
  remote.pipe(local);
  beat = (everyMs) => {
    clearInterval(timer);
    timer = setInterval(() => {
      if (quiet && frames.isBetween && remote.writable) remote.write(heartbeat);
      quiet = true;
    }, everyMs);
  };
}
`;
