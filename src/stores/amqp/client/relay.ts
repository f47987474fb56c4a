// Holds a connection's socket in a thread, which sends heartbeats while user code blocks the event loop. Death and
// SIGSTOP end them, as they should.

import program from 'thread:./relay.thread.ts';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { privateFolder } from '../../../lib/private-folder.ts';
import type { AmqpEndpoint, AmqpSettings } from './settings.ts';

export interface RelayOpen {
  /** The number that the answer repeats. */
  readonly id: number;
  /** The path of the socket with the server's bytes. */
  readonly path: string;
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly options: AmqpSettings['tls'];
  readonly timeoutMs: number;
}

/** A message to the thread. */
export type ToRelay = { readonly open: RelayOpen } | { readonly beatMs: number };

export interface RelayAnswer {
  readonly id: number;
  readonly error?: { readonly message: string; readonly code: string | undefined };
}

/** A new connection ends the one before. */
export class Relay implements AsyncDisposable {
  #thread: Worker | null = null;
  #opened = 0;

  /** Connects; resolves with the path of a socket with the server's bytes, for one connection. @throws errors of `net` and `tls` */
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
      const onMessage = (answer: RelayAnswer): void => {
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
      thread.postMessage({ open: { id, path, host, port, secure, options, timeoutMs } } satisfies ToRelay);
    });
  }

  /** From now on no pause between two frames to the server is longer than twice this, milliseconds. */
  beat(everyMs: number): void {
    this.#thread?.postMessage({ beatMs: everyMs } satisfies ToRelay);
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** If the thread ends by itself, its sockets end with it, and the next connection gets a new thread. */
  #start(): Worker {
    const thread = new Worker(program, {
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

/** Short: the path of a unix socket may have some 100 characters. */
function socketPath(): string {
  const name = randomBytes(9).toString('hex');
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\umbel-${name}`
    : join(privateFolder('amqp', 'remove it'), `${name}.sock`);
}
