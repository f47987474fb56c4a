// A Node HTTP server around a fetch handler.
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { ConfigError } from '../errors.ts';
import type { Service } from '../lib/service.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
}

export class HttpServer implements Service {
  readonly #fetch: (request: Request) => Promise<Response>;
  readonly #options: HttpServerOptions;
  #server: Server | null = null;
  /**
   * The connections, and how many requests each has under way. Node's closeIdleConnections() forgets those that have not
   * had any yet, as browsers open them in advance.
   */
  readonly #requests = new Map<Socket, number>();
  #starting: Promise<void> | null = null;
  #isStopping = false;
  #stopping: Promise<void> | null = null;

  constructor(fetch: (request: Request) => Promise<Response>, options: HttpServerOptions) {
    this.#fetch = fetch;
    this.#options = options;
  }

  /** Before it listens: as it was asked to. */
  get url(): string {
    const { host, port } = this.#options;
    const address = this.#server?.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
  }

  start(): Promise<void> {
    if (this.#isStopping) return Promise.reject(new ConfigError('the gateway was stopped; make a new one'));
    this.#starting ??= this.#listen();
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopping ??= this.#close();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    const listener = getRequestListener(this.#fetch, { overrideGlobalObjects: false });
    const server = createServer({ headersTimeout: 10_000, requestTimeout: 60_000 }, (incoming, outgoing) => {
      const { socket } = incoming;
      this.#requests.set(socket, (this.#requests.get(socket) ?? 0) + 1);
      // A connection that is kept alive would keep a server that stops.
      if (this.#isStopping) outgoing.setHeader('Connection', 'close');
      outgoing.once('close', () => {
        const left = (this.#requests.get(socket) ?? 1) - 1;
        if (!socket.destroyed) this.#requests.set(socket, left);
        if (this.#isStopping && left === 0) socket.destroySoon();
      });
      void listener(incoming, outgoing);
    });
    server.on('connection', (socket) => {
      this.#requests.set(socket, 0);
      socket.once('close', () => this.#requests.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => reject(cannotListen(host, port, error));
      server.once('error', fail);
      server.listen({ host, port }, () => {
        server.off('error', fail);
        resolve();
      });
    });
  }

  async #close(): Promise<void> {
    await this.#starting?.catch(() => {});
    const server = this.#server;
    if (!server?.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroy();
    // A client that does not read its answer must not keep us for ever.
    const patience = setTimeout(() => server.closeAllConnections(), patienceMs);
    await closed;
    clearTimeout(patience);
  }
}

const patienceMs = 5000;

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): ConfigError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} on ${host} is in use; choose another (--port or PORT), or stop what listens there`,
    EACCES: `port ${port} on ${host} may not be listened on by this user; choose one above 1023`,
    EADDRNOTAVAIL: `${host} is no address of this machine`,
    ENOTFOUND: `the host '${host}' is not known`,
  };
  return new ConfigError(reasons[error.code ?? ''] ?? `cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
  });
}
