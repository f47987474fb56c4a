// A connection's socket in a thread of its own, which keeps up the heartbeats while user code blocks the event loop. Death and
// SIGSTOP end them, as they should.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { privateFolder } from '../../../lib/private-folder.ts';
import type { AmqpEndpoint, AmqpSettings } from './settings.ts';

// Plain text, so that it runs alike from sources and from the package. It passes bytes on, and writes a heartbeat frame of its own
// whenever none of ours went out for a while; only between two frames.
const relaying = `
const { chmodSync } = require('node:fs');
const net = require('node:net');
const tls = require('node:tls');
const { parentPort } = require('node:worker_threads');
const heartbeat = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);
let end = () => undefined, beat = () => undefined, timer;

function open({ id, path, host, port, secure, options, timeoutMs }) {
  end();
  let server, local, told = false;
  const { checkHostname, ...rest } = options;
  const unnamed = checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  const named = net.isIP(host) ? {} : { servername: host };
  const remote = secure ? tls.connect({ ...named, ...rest, ...unnamed, host, port }) : net.connect({ host, port });
  const mine = end = (error) => {
    clearTimeout(late);
    if (end === mine) { clearInterval(timer); end = () => undefined; beat = () => undefined; }
    remote.destroy();
    if (server) server.close();
    if (local) local.destroy();
    if (!told) parentPort.postMessage({ id, error: { message: (error && error.message) || 'closed', code: error && error.code } });
    told = true;
  };
  const late = setTimeout(() => mine(new Error('connect ETIMEDOUT')), timeoutMs);
  remote.setNoDelay(true);
  remote.setKeepAlive(true);
  remote.on('error', mine);
  remote.on('close', () => { if (local) local.end(); else mine(); });
  remote.once(secure ? 'secureConnect' : 'connect', () => {
    clearTimeout(late);
    server = net.createServer((socket) => {
      server.close();
      server = undefined;
      local = socket;
      pass();
    });
    server.on('error', mine);
    server.listen(path, () => {
      if (process.platform !== 'win32') chmodSync(path, 0o600);
      told = true;
      parentPort.postMessage({ id });
    });
  });

  function pass() {
    // What is left of the protocol's header, of a frame's header, of a frame.
    let greeting = 8, have = 0, left = 0, quiet = true;
    const head = Buffer.alloc(7);
    local.on('error', () => mine());
    local.on('close', () => mine());
    local.on('end', () => remote.end());
    local.on('data', (chunk) => {
      quiet = false;
      let at = Math.min(greeting, chunk.length);
      greeting -= at;
      while (at < chunk.length) {
        if (left > 0) {
          const step = Math.min(left, chunk.length - at);
          left -= step;
          at += step;
        } else {
          head[have++] = chunk[at++];
          if (have === 7) { have = 0; left = head.readUInt32BE(3) + 1; }
        }
      }
      if (!remote.write(chunk)) { local.pause(); remote.once('drain', () => local.resume()); }
    });
    remote.pipe(local);
    beat = (ms) => {
      clearInterval(timer);
      timer = setInterval(() => {
        if (quiet && greeting === 0 && have === 0 && left === 0 && remote.writable) remote.write(heartbeat);
        quiet = true;
      }, ms);
    };
  }
}
parentPort.on('message', (message) => {
  if (message.open) open(message.open);
  else if (message.beatMs > 0) beat(message.beatMs);
});
`;

/** The next connection ends the one before. */
export class Relay implements AsyncDisposable {
  #thread: Worker | null = null;
  #opened = 0;

  /** Connects there; resolves with the path on which the server's bytes can be had, once. @throws Error as `net` and `tls` */
  async open(endpoint: AmqpEndpoint, settings: AmqpSettings): Promise<string> {
    this.#thread ??= this.#start();
    const thread = this.#thread;
    const id = ++this.#opened;
    const path = socketPath();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        thread.off('message', onMessage);
        thread.off('exit', onExit);
      };
      const onMessage = (answer: Answer): void => {
        if (answer.id !== id) return;
        end();
        if (answer.error === undefined) resolve(path);
        else reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }));
      };
      const onExit = (): void => {
        end();
        reject(new Error('the thread of the connection has ended'));
      };
      thread.on('message', onMessage);
      thread.on('exit', onExit);
      const { hostname: host, port } = endpoint;
      const { secure, tls: options, connectTimeoutMs: timeoutMs } = settings;
      thread.postMessage({ open: { id, path, host, port, secure, options, timeoutMs } });
    });
  }

  /** From now on no pause between two frames to the server is longer than twice this. */
  beat(everyMs: number): void {
    this.#thread?.postMessage({ beatMs: everyMs });
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Should it end by itself, its sockets end with it, and the next connection has a thread of its own. */
  #start(): Worker {
    const thread = new Worker(relaying, {
      eval: true,
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 48, stackSizeMb: 2 },
    });
    thread.unref();
    thread.on('error', () => undefined);
    thread.on('exit', () => {
      if (this.#thread === thread) this.#thread = null;
    });
    return thread;
  }
}

interface Answer {
  readonly id: number;
  readonly error?: { readonly message: string; readonly code?: string };
}

/** Short: a unix socket's path may have some 100 characters. */
function socketPath(): string {
  const name = randomBytes(9).toString('hex');
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\umbel-${name}`
    : join(privateFolder('amqp', 'remove it'), `${name}.sock`);
}
