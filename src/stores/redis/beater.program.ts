// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** `beater.thread.ts` as a program of its own, for a thread. */
export const program: string = `"use strict";

var import_node_net = require("node:net");
var import_node_worker_threads = require("node:worker_threads");

var Refusal = class extends Error {
};
function commandText(args) {
  const each = args.map((arg) => \`$\${Buffer.byteLength(arg)}\\r
\${arg}\\r
\`);
  return \`*\${args.length}\\r
\${each.join("")}\`;
}
function readReply(bytes, at) {
  const line = bytes.indexOf("\\r\\n", at);
  if (line < 0) return null;
  const head = bytes.toString("utf8", at + 1, line);
  const end = line + 2;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case "+":
      return { value: head, end };
    case "-":
      return { value: new Refusal(head), end };
    case ":":
      return { value: Number(head), end };
    case "$": {
      const length = Number(head);
      if (length < 0) return { value: null, end };
      if (bytes.length < end + length + 2) return null;
      return { value: bytes.toString("utf8", end, end + length), end: end + length + 2 };
    }
    default:
      return readList(bytes, end, Number(head));
  }
}
function readList(bytes, from, length) {
  const value = [];
  let end = from;
  while (value.length < length) {
    const each = readReply(bytes, end);
    if (each === null) return null;
    value.push(each.value);
    end = each.end;
  }
  return { value, end };
}

var blockedMs = 4e3;
var SideClient = class {
  data;
  /** The key of the script. */
  key;
  #start;
  #handlers;
  #options;
  #connection;
  #ready = false;
  #failures = 0;
  #away;
  #retrying;
  constructor(handlers) {
    this.#start = import_node_worker_threads.workerData;
    this.#handlers = handlers;
    this.data = this.#start.data;
    this.key = this.#start.key;
    this.#options = this.#start.options;
    this.#away = this.#start.away;
    this.#connection = this.#connect();
    import_node_worker_threads.parentPort?.on("message", (message) => this.#hear(message));
  }
  get isReady() {
    return this.#ready;
  }
  tell(message) {
    import_node_worker_threads.parentPort?.postMessage(message);
  }
  /** Calls the script. @throws Refusal by the server; Error when there is no connection, or no answer in time */
  async run(...args) {
    if (!this.#ready) throw new Error("there is no connection");
    const mine = this.#connection;
    const { script, sha, key, answerMs } = this.#start;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error("no answer"));
        mine.socket.destroy();
      }, answerMs);
    });
    const call = send(mine, ["EVALSHA", sha, "1", key, ...args]).catch((error) => {
      if (!error.message.startsWith("NOSCRIPT")) throw error;
      return send(mine, ["EVAL", script, "1", key, ...args]);
    });
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }
  #hear(message) {
    if ("told" in message) {
      this.#handlers.hear(message.told);
      return;
    }
    this.#away = message.options === null;
    const isClosed = this.#connection.socket.destroyed;
    if (message.options === null) {
      if (!this.#ready && isClosed) this.#retry();
      return;
    }
    const isSame = JSON.stringify(this.#options) === JSON.stringify(message.options);
    if (isSame && (this.#ready || !isClosed)) return;
    this.#options = message.options;
    const old = this.#connection;
    this.#connection = this.#connect();
    old.socket.destroy();
  }
  #connect() {
    clearTimeout(this.#retrying);
    this.#ready = false;
    const { socket, opened } = open(this.#options);
    const mine = { socket, asked: [] };
    const late = setTimeout(() => socket.destroy(), Number(this.#options.socket.connectTimeout ?? 5e3));
    socket.on("error", () => void 0);
    socket.on("close", () => {
      clearTimeout(late);
      for (const { reject } of mine.asked.splice(0)) reject(new Error("the connection was closed"));
      if (mine !== this.#connection) return;
      this.#ready = false;
      this.#failures++;
      this.#retry();
    });
    listen(mine);
    socket.once(opened, () => {
      greet(mine, this.#options).then(
        () => {
          clearTimeout(late);
          this.#failures = 0;
          this.#ready = mine === this.#connection;
          if (this.#ready) this.#handlers.onReady?.();
        },
        () => void socket.destroy()
      );
    });
    return mine;
  }
  /** Where the connection of the other thread feels its way, this one hears when the server is back; unless that thread is blocked. */
  #retry() {
    clearTimeout(this.#retrying);
    const ms = this.#away ? blockedMs : Math.min(25 * 2 ** this.#failures, 1e3);
    this.#retrying = setTimeout(
      () => {
        this.#connection = this.#connect();
      },
      ms * (0.75 + Math.random() / 2)
    );
  }
};
function open({ socket: { checkHostname, ...to } }) {
  if (to.tls !== true) return { socket: (0, import_node_net.connect)(to), opened: "connect" };
  const unnamed = checkHostname === false ? { checkServerIdentity: () => void 0 } : {};
  const tls = process.getBuiltinModule("node:tls");
  return { socket: tls.connect({ ...to, ...unnamed }), opened: "secureConnect" };
}
function listen({ socket, asked }) {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length > 0) {
      const read2 = readReply(rest, 0);
      if (read2 === null) return;
      rest = rest.subarray(read2.end);
      const waiting = asked.shift();
      if (waiting === void 0) return void socket.destroy();
      if (read2.value instanceof Refusal) waiting.reject(read2.value);
      else waiting.resolve(read2.value);
    }
  });
}
async function greet(connection, options) {
  const { username, password, database } = options;
  if (password !== void 0)
    await send(connection, ["AUTH", ...username === void 0 ? [] : [String(username)], String(password)]);
  if (Number(database) > 0) await send(connection, ["SELECT", String(database)]);
}
function send({ socket, asked }, args) {
  return new Promise((resolve, reject) => {
    asked.push({ resolve, reject });
    socket.write(commandText(args));
  });
}

var holder = "";
var busy = false;
var side = new SideClient({
  hear(message) {
    holder = message.holder;
  }
});
var { prefix, leaseMs } = side.data;
setInterval(() => void beat(), leaseMs / 3);
async function beat() {
  if (busy || holder === "") return;
  busy = true;
  const mine = holder;
  try {
    const { alive, woken } = read(await side.run(prefix, mine, String(leaseMs)));
    if (!alive && mine === holder) {
      holder = "";
      side.tell({ struckOff: mine });
    }
    if (Array.isArray(woken) && woken.length > 0) side.tell({ woken });
  } catch {
  }
  busy = false;
}
function read(reply) {
  return JSON.parse(String(reply));
}
`;
