// Whether a program lives and is ready, for probes from outside: over HTTP, and by a file that is touched.
import { unlink, writeFile } from 'node:fs/promises';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { type Measurements, metricsType } from '../lib/prometheus.ts';
import type { Service } from '../lib/service.ts';

/** Where a program answers probes and `GET /metrics`. */
export interface HealthOptions {
  /** Serves `GET /livez`, `GET /readyz` and `GET /metrics` (Prometheus) there; 0: any free port. */
  readonly port?: number;
  /** Default `127.0.0.1`; in a container `0.0.0.0`. */
  readonly host?: string;
  /** A file that is written every 10 s while the event loop runs: for probes without HTTP (`find … -mmin -1`). */
  readonly file?: string;
}

interface HealthParts extends HealthOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Why it does no work now; null: it is ready. */
  readonly unready: () => string | null;
  readonly metrics: Measurements | null;
}

const everyMs = 10_000;

export class Health implements Service {
  readonly #parts: HealthParts;
  readonly #stopping = new AbortController();
  #server: Server | null = null;
  #heartbeat: Promise<void> | null = null;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** The port; null: it does not listen. */
  get port(): number | null {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? (address as AddressInfo).port : null;
  }

  /** @throws ConfigError when the port or the file cannot be used */
  async start(): Promise<void> {
    const { port, host = '127.0.0.1', file } = this.#parts;
    if (file !== undefined) {
      await this.#write(file).catch((cause: unknown) => {
        throw new ConfigError(`the heartbeat file '${file}' cannot be written: ${String(cause)}`, { cause });
      });
      this.#heartbeat = this.#beat(file);
    }
    if (port === undefined) return;
    this.#server = await this.#listen(port, host);
    this.#parts.metrics?.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const server = this.#server;
    this.#server = null;
    this.#parts.metrics?.stop();
    if (server !== null) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
    await this.#heartbeat;
    // A file that is left would look alive to a probe that looks at its time only.
    if (this.#parts.file !== undefined) await unlink(this.#parts.file).catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(port: number, host: string): Promise<Server> {
    const { metrics } = this.#parts;
    // Loaded only where it is used: it takes a start three milliseconds.
    const { createServer } = process.getBuiltinModule('node:http');
    const server = createServer((request, response) => {
      const path = request.url?.split('?', 1)[0];
      if (path === '/livez') answer(response, 200, 'alive\n');
      else if (path === '/readyz') {
        const reason = this.#parts.unready();
        if (reason === null) answer(response, 200, 'ready\n');
        else answer(response, 503, `not ready: ${reason}\n`);
      } else if (path === '/metrics' && metrics !== null) answer(response, 200, metrics.text(), metricsType);
      else answer(response, 404, 'GET /livez, /readyz or /metrics\n');
    });
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => {
        reject(
          new ConfigError(`the health port ${host}:${port} cannot be opened: ${cause.message}`, { cause }),
        );
      });
      server.listen(port, host, () => resolve(server));
    });
  }

  async #beat(file: string): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stopping;
    for (let failures = 0; ; ) {
      await clock.sleep(everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#write(file);
        failures = 0;
      } catch (error) {
        if (failures++ === 0)
          logger.error({ err: error, file }, `the heartbeat file cannot be written: ${String(error)}`);
      }
    }
  }

  #write(file: string): Promise<void> {
    return writeFile(file, `${new Date(this.#parts.clock.now()).toISOString()}\n`);
  }
}

function answer(response: ServerResponse, status: number, text: string, type = plainText): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}

const plainText = 'text/plain; charset=utf-8';
