// Renews a holder's lease from a thread: a task that blocks the event loop must not lose its permit to another.
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { RedisConnection } from '../clients/redis/connection.ts';
import { clientOptions } from '../clients/redis/link.ts';
import type { Waiter } from './limits.ts';
import { beatScript } from './redis-lua.ts';

export interface BeaterParts {
  readonly connection: RedisConnection;
  readonly leaseMs: number;
  readonly onWoken: (woken: readonly Waiter[]) => void;
  readonly onStruckOff: (holder: string) => void;
}

// Plain text, so that it runs alike from sources and from the package.
const beating = `
const { parentPort, workerData } = require('node:worker_threads');
const { createClient } = require(workerData.modulePath);
const { script, sha, key, prefix, leaseMs } = workerData;
let client, options = workerData.options, holder = '', stopped = false, busy = false;
function connect() {
  const strategy = (retries) => Math.min(50 * 2 ** retries, 1000) * (0.75 + Math.random() / 2);
  const unnamed = options.socket.checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  client = createClient({ ...options, socket: { ...options.socket, ...unnamed, reconnectStrategy: strategy } });
  client.on('error', () => {});
  client.connect().catch(() => {});
}
async function beat() {
  if (busy || stopped || holder === '') return;
  busy = true;
  const mine = holder;
  try {
    const args = ['1', key, prefix, mine, String(leaseMs)];
    const call = client.sendCommand(['EVALSHA', sha, ...args]).catch((error) => {
      if (!String(error && error.message).startsWith('NOSCRIPT')) throw error;
      return client.sendCommand(['EVAL', script, ...args]);
    });
    const late = new Promise((_, no) => setTimeout(no, Math.max(leaseMs / 3, 1000), new Error('no answer')).unref());
    const { alive, woken } = JSON.parse(String(await Promise.race([call, late])));
    if (!alive && mine === holder) { holder = ''; parentPort.postMessage({ struckOff: mine }); }
    if (Array.isArray(woken) && woken.length > 0) parentPort.postMessage({ woken });
  } catch (error) {
    if (error && error.message === 'no answer') { client.destroy(); connect(); }
  }
  busy = false;
}
parentPort.on('message', (message) => {
  if (message.stop) { stopped = true; clearInterval(timer); client.destroy(); parentPort.close(); }
  else if (message.options !== undefined) { options = message.options; client.destroy(); connect(); }
  else holder = message.holder;
});
const timer = setInterval(beat, leaseMs / 3);
connect();
`;

export class Beater {
  readonly #thread: Worker;
  readonly #unlisten: () => void;

  constructor({ connection, leaseMs, onWoken, onStruckOff }: BeaterParts) {
    const { settings } = connection;
    let endpoint = connection.endpoint ?? settings.endpoints[0];
    if (endpoint === undefined) throw new TypeError('no server is named');
    this.#thread = new Worker(beating, {
      eval: true,
      workerData: {
        modulePath: createRequire(import.meta.url).resolve('@redis/client'),
        options: clientOptions(settings, endpoint),
        script: beatScript.source,
        sha: beatScript.sha,
        key: `${settings.keyPrefix}umbel:limit:holders`,
        prefix: settings.keyPrefix,
        leaseMs,
      },
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 48, stackSizeMb: 2 },
    });
    this.#thread.unref();
    this.#thread.on('message', (message: { struckOff?: string; woken?: readonly Waiter[] }) => {
      if (message.struckOff !== undefined) onStruckOff(message.struckOff);
      if (message.woken !== undefined) onWoken(message.woken);
    });
    // After a failover the server is elsewhere.
    this.#unlisten = connection.onState(({ connected }) => {
      const now = connection.endpoint;
      if (!connected || now === null || JSON.stringify(now) === JSON.stringify(endpoint)) return;
      endpoint = now;
      this.#thread.postMessage({ options: clientOptions(settings, now) });
    });
  }

  /** Renews this holder's lease from now on. */
  beat(holder: string): void {
    this.#thread.postMessage({ holder });
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#thread.postMessage({ stop: true });
    await this.#thread.terminate();
  }
}
