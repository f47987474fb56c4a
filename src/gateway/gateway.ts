// The HTTP API: calls tasks and reads their results.
import type { App } from '../app/app.ts';
import { HttpServer } from '../http/http-server.ts';
import { positive } from '../lib/checks.ts';
import { readValue } from '../lib/schema.ts';
import type { Service } from '../lib/service.ts';
import { ApiKeys } from './api-keys.ts';
import { createHandler } from './handler.ts';
import { GatewayMetrics } from './metrics.ts';
import { checkExposure, checkMounted, type GatewayOptions, resolveOptions } from './options.ts';
import type { GatewayState } from './route.ts';
import { routes } from './routes.ts';
import { Waits } from './waits.ts';

/** The HTTP API of an application, for any server that speaks the Fetch standard. */
export interface Gateway {
  /** Answers a request. Never rejects: an error becomes a problem document (RFC 9457). */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Ends event streams and waiting requests. The application stays open. */
  close(): void;
}

/**
 * The HTTP API of an application.
 * @throws ConfigError (also without `apiKeys`, unless `insecure`), UnknownOptionError
 * @example
 * const gateway = createGateway(app, { basePath: '/api', apiKeys: [process.env.API_KEY ?? ''] });
 * server.all('/api/*', (context) => gateway.fetch(context.req.raw)); // hono
 */
export function createGateway(app: App, options: GatewayOptions = {}): Gateway {
  const settings = resolveOptions(options);
  checkMounted(options);
  const waits = new Waits(settings.maxWaiting, settings.maxWaitingPerAddress);
  const metrics = new GatewayMetrics(waits);
  const state: GatewayState = { app, settings, keys: new ApiKeys(settings.apiKeys), waits, metrics, routes };
  const close = (): void => {
    waits.close();
    metrics.close();
  };
  return { fetch: createHandler(state), close };
}

/** Options of `new Gateway`: of the gateway, and of its HTTP server. */
export interface GatewayServerOptions extends GatewayOptions {
  /** Default 127.0.0.1: this machine only. Any other address needs `apiKeys`. */
  readonly host?: string;
  /** Default 8000; 0: any free port. */
  readonly port?: number;
  /** How many connections there may be; default 1,000 more than `maxWaiting`. Further ones get 503, and from 100 above that they are closed. */
  readonly maxConnections?: number;
}

/** A gateway with its own HTTP server. */
export class GatewayServer implements Service {
  readonly #gateway: Gateway;
  readonly #server: HttpServer;

  /** @throws ConfigError for wrong options, and for an address that others can reach without an API key */
  constructor(app: App, given: GatewayServerOptions = {}) {
    const { host = '127.0.0.1', port = 8000, maxConnections, ...options } = given;
    checkExposure(host, options);
    this.#gateway = createGateway(app, { ...options, insecure: true }); // checked before
    const { maxWaiting } = resolveOptions(options);
    this.#server = new HttpServer(this.#gateway.fetch, {
      host,
      port,
      maxConnections: readValue(
        positive,
        maxConnections ?? maxWaiting + 1000,
        "the gateway's maxConnections",
      ),
    });
  }

  /** Its address: `http://127.0.0.1:8000`. */
  get url(): string {
    return this.#server.url;
  }

  /** @throws ConfigError when it cannot listen on the address */
  start(): Promise<void> {
    return this.#server.start();
  }

  /** Ends event streams and waiting requests at once, lets other requests finish, and closes. The application stays open. */
  async stop(): Promise<void> {
    this.#gateway.close();
    await this.#server.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
