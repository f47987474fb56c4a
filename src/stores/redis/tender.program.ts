// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** `tender.thread.ts` as a program of its own, for a thread. */
export const program: string = `"use strict";

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

var import_node_net = require("node:net");
var import_node_worker_threads = require("node:worker_threads");
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
    let timer2;
    const late = new Promise((_, reject) => {
      timer2 = setTimeout(() => {
        reject(new Error("no answer"));
        mine.socket.destroy();
      }, answerMs);
    });
    const call2 = send(mine, ["EVALSHA", sha, "1", key, ...args]).catch((error) => {
      if (!error.message.startsWith("NOSCRIPT")) throw error;
      return send(mine, ["EVAL", script, "1", key, ...args]);
    });
    try {
      return await Promise.race([call2, late]);
    } finally {
      clearTimeout(timer2);
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

var side = new SideClient({
  onReady: plan,
  hear(message) {
    if ("id" in message) {
      id = message.id;
      void tend();
    } else if (message.due < dueAt) {
      dueAt = message.due;
      plan();
    }
  }
});
var { prefix, leaseMs, queues, fallenMs, suffixes, shared, deafMs, lookMs, refusedMs, lostMs } = side.data;
var hearing = new Int32Array(shared);
var beatMs = leaseMs / 3;
var id = "";
var busy = false;
var timer;
var dueAt = Infinity;
var leaseAt = Infinity;
var offset = 0;
var lastBeat = -Infinity;
var notBefore = -Infinity;
var lookedAt = -Infinity;
var lying = /* @__PURE__ */ new Map();
var told = "";
async function tend() {
  if (busy || !side.isReady) return plan();
  busy = true;
  let again = false;
  try {
    again = await call();
  } catch (error) {
    const isRefused = error instanceof Refusal;
    if (isRefused) tellTroubles([{ key: side.key, problem: error.message }]);
    notBefore = performance.now() + (isRefused ? refusedMs : lostMs);
  }
  busy = false;
  if (again) setImmediate(() => void tend());
  else plan();
}
async function call() {
  const started = performance.now();
  const mine = id;
  const due = dueAt;
  const looks = started - lookedAt >= lookMs;
  const returned = looks ? [...lying.values()].filter((each) => mayGoBack(each, started)) : [];
  const back = returned.flatMap(({ suffix, sha }) => [...listOf(suffix), sha]);
  const reply = await side.run(
    ...[prefix, mine, String(leaseMs), "1", String(fallenMs), String(looks ? returned.length : -1)],
    ...back,
    ...queues
  );
  const { alive, now, nextDue, nextLease, promoted, more, suspects, troubles, taken } = read(reply);
  tellTroubles(troubles);
  lastBeat = started;
  const before = lying;
  if (looks) lookedAt = started;
  const found = taken.map(({ suffix, sha }) => {
    const name = \`\${suffix} \${sha}\`;
    return [name, before.get(name) ?? { suffix, sha, since: started }];
  });
  lying = new Map(looks ? found : [...before, ...found]);
  offset = now - Date.now();
  leaseAt = nextLease;
  if (now >= due || promoted > 0) {
    const next = promoted > 0 || nextDue <= due ? nextDue : Infinity;
    dueAt = dueAt === due ? next : Math.min(dueAt, next);
  }
  if (troubles.length > 0) {
    leaseAt = Math.max(leaseAt, now + refusedMs);
    dueAt = Math.max(Math.min(dueAt, nextDue), now + refusedMs);
  }
  if (!alive && mine !== "" && mine === id) side.tell({ struckOff: mine });
  if (suspects) side.tell({ work: true });
  return more;
}
function mayGoBack({ suffix, since }, now) {
  return now - since >= deafMs && Atomics.compareExchange(hearing, suffixes.indexOf(suffix), 0, 2) === 0;
}
function listOf(suffix) {
  const at = suffix.indexOf(":", 1);
  return [suffix.slice(1, at), suffix.slice(at + 1)];
}
function read(reply) {
  if (!Array.isArray(reply)) throw new Error("the reply is no list");
  const cells = reply;
  const [alive = 0, now = 0, nextDue = 0, nextLease = 0, promoted = 0, more = 0, suspects = 0, failed = 0] = cells.slice(0, 8).map(Number);
  const text = (at) => String(cells[at]);
  const troubles = Array.from({ length: failed }, (_, n) => ({
    key: text(8 + 2 * n),
    problem: text(9 + 2 * n)
  }));
  const rest = 8 + 2 * failed;
  const taken = Array.from({ length: (cells.length - rest) / 2 }, (_, n) => ({
    suffix: text(rest + 2 * n),
    sha: text(rest + 2 * n + 1)
  }));
  return {
    alive: alive === 1,
    now,
    nextDue: nextDue > 0 ? nextDue : Infinity,
    nextLease: nextLease > 0 ? nextLease : Infinity,
    promoted,
    more: more === 1,
    suspects: suspects > 0,
    troubles,
    taken
  };
}
function tellTroubles(troubles) {
  const kinds = troubles.map(({ key, problem }) => \`\${key} \${problem.split(" ", 1)[0]}\`);
  const shown = kinds.sort().join("\\n");
  if (shown !== told) side.tell({ troubles });
  told = shown;
}
function plan() {
  clearTimeout(timer);
  if (!side.isReady) return;
  const now = Date.now() + offset;
  let ms = beatMs - (performance.now() - lastBeat);
  if (!(ms > 0)) ms = busy ? beatMs : 0;
  ms = Math.min(ms, dueAt - now, Math.max(leaseAt - now + 50 + Math.random() * 250, 50));
  timer = setTimeout(() => void tend(), Math.max(0, Math.ceil(ms), notBefore - performance.now()));
}
`;
