// What keeps a consumer's lease alive and the store in order: a thread of its own, so that user code that blocks the event loop
// does not stop it. SIGSTOP and death do.
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { RedisConnection } from '../../clients/redis/connection.ts';
import { clientOptions } from '../../clients/redis/link.ts';
import type { Hearing } from './hearing.ts';
import { consumersKey } from './keys.ts';
import { tendScript } from './lua/tend.ts';
import { longestReadMs } from './waiter.ts';

export interface TenderParts {
  /** Where this one is connected the thread connects, too. */
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly queues: readonly string[];
  readonly hearing: Hearing;
  /** The consumer was taken for dead. */
  readonly onStruckOff: (id: string) => void;
  /** There is something to claim that no blocking read hears of. */
  readonly onWork: () => void;
}

// Plain text, so that it runs alike from sources and from the package.
const tending = `
const { parentPort, workerData } = require('node:worker_threads');
const { createClient } = require(workerData.modulePath);
const { script, sha, key, prefix, leaseMs, queues, fallenMs, suffixes, shared, deafMs } = workerData;
const hearing = new Int32Array(shared);
const beatMs = leaseMs / 3;
let id = '', dueAt = Infinity, offset = 0, leaseAt = Infinity, lastBeat = -Infinity, timer, busy = false, stopped = false;
let client, options = workerData.options;
// What our blocking reads took and the consumer has not heard of: since when.
let lying = new Map();
function connect() {
  const strategy = (retries) => Math.min(50 * 2 ** retries, 1000) * (0.75 + Math.random() / 2);
  const unnamed = options.socket.checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  client = createClient({ ...options, socket: { ...options.socket, ...unnamed, reconnectStrategy: strategy } });
  client.on('error', () => {});
  client.connect().catch(() => {});
}
async function tend() {
  if (busy || stopped) return;
  busy = true;
  let again = false;
  const started = performance.now();
  const mine = id, due = dueAt;
  const returned = [...lying].filter(([, { suffix, since }]) =>
    started - since >= deafMs && Atomics.compareExchange(hearing, suffixes.indexOf(suffix), 0, 2) === 0);
  try {
    const back = returned.flatMap(([, { suffix, sha }]) => [...suffix.match(/^:(\\d+):(.*)$/s).slice(1), sha]);
    const args = ['1', key, prefix, mine, String(leaseMs), '1', String(fallenMs), String(returned.length), ...back, ...queues];
    const call = client.sendCommand(['EVALSHA', sha, ...args]).catch((error) => {
      if (!String(error && error.message).startsWith('NOSCRIPT')) throw error;
      return client.sendCommand(['EVAL', script, ...args]);
    });
    const reply = await Promise.race([call, new Promise((_, no) => setTimeout(no, Math.max(beatMs, 1000), new Error('no answer')).unref())]);
    const [alive, now, nextDue, nextLease, promoted, more, suspects] = reply.slice(0, 7).map(Number);
    lastBeat = started;
    const before = lying;
    lying = new Map();
    for (let n = 7; n < reply.length; n += 2) {
      const [suffix, sha] = [String(reply[n]), String(reply[n + 1])];
      lying.set(suffix + ' ' + sha, before.get(suffix + ' ' + sha) ?? { suffix, sha, since: started });
    }
    offset = now - Date.now();
    leaseAt = nextLease > 0 ? nextLease : Infinity;
    // Who moves what is due goes on with what comes next; where another was faster, that one does.
    if (now >= due || promoted > 0) {
      const next = promoted > 0 || (nextDue > 0 && nextDue <= due) ? nextDue || Infinity : Infinity;
      dueAt = dueAt === due ? next : Math.min(dueAt, next);
    }
    if (!alive && mine !== '' && mine === id) parentPort.postMessage({ struckOff: mine });
    if (suspects > 0) parentPort.postMessage({ work: true });
    again = more === 1;
  } catch (error) {
    if (error && error.message === 'no answer') {
      client.destroy();
      connect();
    }
    if (!stopped) setTimeout(() => plan(), 200);
  }
  busy = false;
  if (again) setImmediate(tend); else plan();
}
function plan() {
  clearTimeout(timer);
  if (stopped) return;
  const now = Date.now() + offset;
  let ms = beatMs - (performance.now() - lastBeat);
  if (!(ms > 0)) ms = client.isReady ? (busy ? beatMs : 0) : 100;
  ms = Math.min(ms, dueAt - now, Math.max(leaseAt - now + 50 + Math.random() * 250, 50));
  timer = setTimeout(tend, Math.max(0, Math.ceil(ms)));
}
parentPort.on('message', (message) => {
  if (message.stop) {
    stopped = true;
    clearTimeout(timer);
    client.destroy();
    parentPort.close();
    return;
  }
  if (message.options !== undefined) {
    options = message.options;
    client.destroy();
    connect();
    plan();
    return;
  }
  if (message.id !== undefined) { id = message.id; void tend(); return; }
  if (message.due < dueAt) { dueAt = message.due; plan(); }
});
connect();
`;

/** A consumer that has not heard of its message for so long has a blocked event loop. It is looked at with each renewal of the lease. */
const deafMs = 2000;

export class Tender {
  readonly #thread: Worker;
  readonly #unlisten: () => void;

  constructor({ connection, leaseMs, queues, hearing, onStruckOff, onWork }: TenderParts) {
    const { settings } = connection;
    const prefix = settings.keyPrefix;
    const [first] = settings.endpoints;
    let endpoint = connection.endpoint ?? first;
    if (endpoint === undefined) throw new TypeError('no server is named');
    this.#thread = new Worker(tending, {
      eval: true,
      workerData: {
        modulePath: createRequire(import.meta.url).resolve('@redis/client'),
        options: clientOptions(settings, endpoint),
        script: tendScript.source,
        sha: tendScript.sha,
        key: consumersKey(prefix),
        prefix,
        leaseMs,
        queues,
        fallenMs: longestReadMs,
        suffixes: hearing.suffixes,
        shared: hearing.shared,
        deafMs,
      },
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 48, stackSizeMb: 2 },
    });
    this.#thread.unref();
    this.#thread.on('message', (message: { readonly struckOff?: string; readonly work?: boolean }) => {
      if (message.struckOff !== undefined) onStruckOff(message.struckOff);
      if (message.work === true) onWork();
    });
    // After a failover the server is elsewhere.
    this.#unlisten = connection.onState(({ connected }) => {
      const now = connection.endpoint;
      if (!connected || now === null || JSON.stringify(now) === JSON.stringify(endpoint)) return;
      endpoint = now;
      this.#thread.postMessage({ options: clientOptions(settings, now) });
    });
  }

  /** Renews this consumer's lease from now on. */
  tend(id: string): void {
    this.#thread.postMessage({ id });
  }

  /** Something was scheduled for this time (milliseconds since 1970): looks after it. */
  due(ms: number): void {
    this.#thread.postMessage({ due: ms });
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#thread.postMessage({ stop: true });
    await this.#thread.terminate();
  }
}
