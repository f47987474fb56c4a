// A Node HTTP server around a fetch handler.
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { getRequestListener, type Http2Bindings, type HttpBindings } from '@hono/node-server';
import { ConfigError } from '../errors.ts';
import type { Service } from '../lib/service.ts';
import { uuid7 } from '../lib/uuid.ts';
import { rememberAddress } from './client-address.ts';
import { Problem, toDocument } from './problem.ts';

interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Further connections get a 503; more than 100 above the limit, they are closed without an answer. */
  readonly maxConnections: number;
  /** Serve HTTPS with these files. */
  readonly tls?: TlsFiles;
}

/** Contents of PEM files. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Certificate authorities. Clients must have a certificate signed by one of them. */
  readonly ca?: Buffer;
}

/** How many connections above the limit get a 503. More connections would need too many file descriptors. */
const maxRefused = 100;
/** How often Node checks for connections whose headers or requests take too long, milliseconds. Node's default is 30 s. */
const connectionsCheckingInterval = 1000;

export class HttpServer implements Service {
  readonly #fetch: (request: Request) => Promise<Response>;
  readonly #options: HttpServerOptions;
  #server: Server | null = null;
  /**
   * The connections, with the number of their active requests. Node's closeIdleConnections() does not close connections without any
   * request so far, which browsers open in advance.
   */
  readonly #requests = new Map<Socket, number>();
  /** Connections above `maxConnections`. */
  readonly #surplus = new WeakSet<Socket>();
  #starting: Promise<void> | null = null;
  #isStopping = false;
  #stopping: Promise<void> | null = null;

  constructor(fetch: (request: Request) => Promise<Response>, options: HttpServerOptions) {
    this.#fetch = fetch;
    this.#options = options;
  }

  /** The server's address; before `start()` the configured address. */
  get url(): string {
    const { host, port } = this.#options;
    const address = this.#server?.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${actual}`;
  }

  start(): Promise<void> {
    if (this.#isStopping)
      return Promise.reject(
        new ConfigError('the server was stopped and cannot start again; create a new one'),
      );
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
    const { host, port, maxConnections, tls } = this.#options;
    const fetch = (request: Request, { incoming }: HttpBindings | Http2Bindings): Promise<Response> => {
      rememberAddress(request, incoming.socket?.remoteAddress);
      return this.#fetch(request);
    };
    const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
    const timeouts = { headersTimeout: 10_000, requestTimeout: 60_000, connectionsCheckingInterval };
    const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
      const { socket } = incoming;
      this.#requests.set(socket, (this.#requests.get(socket) ?? 0) + 1);
      // A keep-alive connection would prevent the server from stopping.
      if (this.#isStopping) outgoing.setHeader('Connection', 'close');
      outgoing.once('close', () => {
        const left = (this.#requests.get(socket) ?? 1) - 1;
        if (!socket.destroyed) this.#requests.set(socket, left);
        if (this.#isStopping && left === 0) socket.destroySoon();
      });
      const refusal = this.#surplus.has(socket)
        ? new Problem(503, `the server has reached its limit of ${maxConnections} connections; try again`, {
            headers: { 'Retry-After': '5', Connection: 'close' },
          })
        : wrongTarget(incoming);
      if (refusal === null) void listener(incoming, outgoing);
      else refuse(outgoing, incoming, refusal);
    };
    const server = tls === undefined ? createServer(timeouts, handle) : secured(tls, timeouts, handle);
    server.maxConnections = maxConnections + maxRefused;
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      if (this.#requests.size >= maxConnections) this.#surplus.add(socket);
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
    // A client that does not read its response must not prevent the server from stopping.
    const timer = setTimeout(() => server.closeAllConnections(), closeTimeoutMs);
    await closed;
    clearTimeout(timer);
  }
}

const closeTimeoutMs = 5000;

/** @throws ConfigError for a certificate or key that cannot be used */
function secured(
  { cert, key, ca }: TlsFiles,
  timeouts: ServerOptions,
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Server {
  const clients = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  try {
    return createSecureServer({ ...timeouts, cert, key, ...clients, handshakeTimeout: 10_000 }, handle);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`the certificate or its key cannot be used: ${why}`, { cause });
  }
}

/**
 * A request may name its host twice: in its target and in `Host`. Both must be the same, because we check only one of them, and a
 * proxy in front may check the other one.
 */
function wrongTarget({ url = '', headers }: IncomingMessage): Problem | null {
  if (url.startsWith('/') || url === '*') return null;
  const host = headers.host?.toLowerCase();
  if (
    URL.canParse(url) &&
    URL.canParse(`http://${host}`) &&
    new URL(url).host === new URL(`http://${host}`).host
  )
    return null;
  return new Problem(400, 'the target of the request names another host than its Host header');
}

function refuse(outgoing: ServerResponse, incoming: IncomingMessage, problem: Problem): void {
  outgoing.writeHead(problem.status, {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    ...problem.headers,
  });
  outgoing.end(JSON.stringify(toDocument(problem, incoming.url ?? '', uuid7())));
}

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): ConfigError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} on ${host} is in use; choose another (--port or PORT), or stop the program that listens on it`,
    EACCES: `this user has no permission to listen on port ${port} of ${host}; choose a port above 1023`,
    EADDRNOTAVAIL: `${host} is not an address of this machine`,
    ENOTFOUND: `the host '${host}' is unknown`,
  };
  return new ConfigError(reasons[error.code ?? ''] ?? `cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
  });
}
