// A thread with a Redis connection of its own, for what user code that blocks the event loop must not hold up: renewing leases. Its
// client is small (a few commands, version 2 of the protocol): the library costs a thread 110 ms of the processor and 17 MB.
import { Worker } from 'node:worker_threads';
import type { RedisConnection } from './connection.ts';
import { clientOptions } from './link.ts';
import type { RedisScript } from './script.ts';

export interface SideThreadParts<Message> {
  /** Where this one is connected the thread connects, too. */
  readonly connection: RedisConnection;
  /** What `run(...args)` of the program calls. */
  readonly script: RedisScript;
  /** Its first key, by which a cluster finds the server. */
  readonly key: string;
  /**
   * Plain JavaScript, so that it runs alike from sources and from the package. It has `data`, `key`, `run(...args)`, which rejects when
   * there is no connection, no answer within `answerMs`, or (`error.refused`) the server refuses, `isReady()` and `tell(message)`, and
   * sets `hear = (message) => …` and, to hear when there is a connection (again), `onReady`.
   */
  readonly program: string;
  readonly answerMs: number;
  /** The program's `data`. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly onMessage: (message: Message) => void;
}

/** How soon a thread tries for itself what the other thread is trying: leases are longer. */
const blockedMs = 4000;

const client = `
const { parentPort, workerData } = require('node:worker_threads');
const net = require('node:net');
const { data, script, sha, key, answerMs } = workerData;
let options = workerData.options, socket, answers = [], ready = false, failures = 0, away = workerData.away, retrying, hear = () => {}, onReady = () => {};
const isReady = () => ready;
const tell = (message) => parentPort.postMessage(message);

function connect() {
  clearTimeout(retrying);
  const { checkHostname, ...to } = options.socket;
  const unnamed = checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  const mine = to.tls ? require('node:tls').connect({ ...to, ...unnamed }) : net.connect(to);
  const asked = [];
  let rest = Buffer.alloc(0);
  socket = mine;
  answers = asked;
  ready = false;
  const late = setTimeout(() => mine.destroy(), to.connectTimeout ?? 5000);
  mine.on('error', () => {});
  mine.on('close', () => {
    clearTimeout(late);
    for (const { no } of asked.splice(0)) no(new Error('the connection was closed'));
    if (mine !== socket) return;
    ready = false;
    failures++;
    retry();
  });
  mine.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let read; rest.length > 0 && (read = reply(rest, 0)) !== null; rest = rest.subarray(read.end)) {
      const waiting = asked.shift();
      if (waiting === undefined) return mine.destroy();
      if (read.value instanceof Error) waiting.no(read.value); else waiting.yes(read.value);
    }
  });
  mine.once(to.tls ? 'secureConnect' : 'connect', async () => {
    const { username, password, database } = options;
    try {
      if (password !== undefined) await send(username === undefined ? ['AUTH', password] : ['AUTH', username, password]);
      if (database > 0) await send(['SELECT', String(database)]);
      clearTimeout(late);
      failures = 0;
      ready = mine === socket;
      if (ready) onReady();
    } catch {
      mine.destroy();
    }
  });
}

/** Where the connection of the other thread feels its way, this one hears when the server is back; unless that thread is blocked. */
function retry() {
  clearTimeout(retrying);
  const most = away ? ${blockedMs} : 1000;
  retrying = setTimeout(connect, (away ? most : Math.min(25 * 2 ** failures, most)) * (0.75 + Math.random() / 2));
}

function send(args) {
  return new Promise((yes, no) => {
    answers.push({ yes, no });
    let text = '*' + args.length + '\\r\\n';
    for (const arg of args) text += '$' + Buffer.byteLength(arg) + '\\r\\n' + arg + '\\r\\n';
    socket.write(text);
  });
}

/** One reply from there on, and where it ends; null: it is not all here. */
function reply(bytes, at) {
  const line = bytes.indexOf('\\r\\n', at);
  if (line < 0) return null;
  const head = bytes.toString('utf8', at + 1, line);
  const end = line + 2;
  switch (bytes[at]) {
    case 0x2b: return { value: head, end };
    case 0x2d: return { value: Object.assign(new Error(head), { refused: true }), end };
    case 0x3a: return { value: Number(head), end };
    case 0x24: {
      const length = Number(head);
      if (length < 0) return { value: null, end };
      return bytes.length < end + length + 2 ? null : { value: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    default: {
      const value = [];
      let next = end;
      for (let n = 0; n < Number(head); n++) {
        const each = reply(bytes, next);
        if (each === null) return null;
        value.push(each.value);
        next = each.end;
      }
      return { value, end: next };
    }
  }
}

async function run(...args) {
  if (!ready) throw new Error('there is no connection');
  const mine = socket;
  let timer;
  const late = new Promise((_, no) => { timer = setTimeout(() => { no(new Error('no answer')); mine.destroy(); }, answerMs); });
  const call = send(['EVALSHA', sha, '1', key, ...args]).catch((error) => {
    if (!error.message.startsWith('NOSCRIPT')) throw error;
    return send(['EVAL', script, '1', key, ...args]);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

parentPort.on('message', (message) => {
  if (message.told !== undefined) return hear(message.told);
  away = message.options === null;
  if (away) {
    if (!ready && socket.destroyed) retry();
    return;
  }
  const isSame = JSON.stringify(options) === JSON.stringify(message.options);
  if (isSame && (ready || !socket.destroyed)) return;
  options = message.options;
  const old = socket;
  connect();
  old.destroy();
});
connect();
`;

export class SideThread<Message> {
  readonly #thread: Worker;
  readonly #unlisten: () => void;

  constructor(parts: SideThreadParts<Message>) {
    const { connection, script, key, program, answerMs, data, onMessage } = parts;
    const { settings } = connection;
    const first = connection.endpoint ?? settings.endpoints[0];
    if (first === undefined) throw new TypeError('no server is named');
    let endpoint = first;
    const options = clientOptions(settings, endpoint);
    this.#thread = new Worker(client + program, {
      eval: true,
      workerData: {
        data,
        options,
        away: !connection.state.connected,
        script: script.source,
        sha: script.sha,
        key,
        answerMs,
      },
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 48, stackSizeMb: 2 },
    });
    this.#thread.unref();
    this.#thread.on('message', onMessage);
    // After a failover the server is elsewhere.
    this.#unlisten = connection.onState(({ connected }) => {
      endpoint = connection.endpoint ?? endpoint;
      this.#thread.postMessage({ options: connected ? clientOptions(settings, endpoint) : null });
    });
  }

  tell(message: unknown): void {
    this.#thread.postMessage({ told: message });
  }

  async stop(): Promise<void> {
    this.#unlisten();
    await this.#thread.terminate();
  }
}
