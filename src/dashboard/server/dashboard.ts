// The dashboard: shows a cluster in the browser and as JSON, and changes it.
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { App } from '../../app/app.ts';
import { Control } from '../../control/control.ts';
import { ConfigError } from '../../errors.ts';
import { HttpServer, type TlsFiles } from '../../http/http-server.ts';
import type { Service } from '../../lib/service.ts';
import { AuditFile, DashboardAudit } from './audit.ts';
import { ClusterFeed } from './cluster-feed.ts';
import type { DashboardContext } from './context.ts';
import { createHandler } from './handler.ts';
import { checkUsers, Login } from './login.ts';
import { OidcLogin } from './oidc/oidc-login.ts';
import { checkExposure, checkMounted, type DashboardOptions, resolveOptions } from './options.ts';
import { Fleet } from './pages/fleet.ts';

export type { DashboardOptions };

/** A dashboard for any server that speaks the Fetch standard. */
export interface DashboardHandler extends AsyncDisposable {
  /** Answers a request. Never rejects: an error becomes a problem document (RFC 9457). */
  readonly fetch: (request: Request) => Promise<Response>;
  /**
   * Whether people can log in: nothing is asked of the provider before.
   * @throws ConfigError when `oidcIssuer` answers, and is no OpenID Connect provider
   */
  check(): Promise<void>;
  /** Ends event streams and waiting requests, and writes the received events to the history. The application stays open. */
  close(): Promise<void>;
}

/**
 * The dashboard of an application, or of a broker: `new App('cluster', { broker })`. It receives events and records the history until `close()`.
 * @throws ConfigError for wrong options, and without a login unless `insecure` is set; UnknownOptionError
 * @example
 * const dashboard = createDashboard(app, { urlPrefix: '/flower', insecure: true });
 * server.all('/flower/*', (context) => dashboard.fetch(context.req.raw)); // hono
 */
export function createDashboard(app: App, options: DashboardOptions = {}): DashboardHandler {
  const settings = resolveOptions(options);
  checkMounted(options);
  const feed = new ClusterFeed(app, settings);
  const control = new Control(app);
  const closing = new AbortController();
  const closers: (() => unknown)[] = [() => feed.stop(), () => control.close()];
  const context: DashboardContext = {
    app,
    control,
    history: app.history,
    cluster: feed.cluster,
    fleet: new Fleet(control),
    settings,
    auditLog: new DashboardAudit(
      app.audit,
      new AuditFile(async () => settings.auditLog ?? besideHistory(await app.history.status())),
      settings.auditLog !== null,
    ),
    closing: closing.signal,
    onEvent: (listener) => feed.onEvent(listener),
    onClose: (work) => void closers.push(work),
    firstAttempt: feed.firstAttempt,
    flush: () => feed.flush(),
  };
  const oidc = settings.oidc === null ? null : new OidcLogin(settings.oidc, settings.logger);
  const handler = createHandler(context, new Login(settings, oidc), oidc);
  void feed.start();
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing.abort();
    closed ??= (async () => {
      for (const work of closers.toReversed()) await work();
    })();
    return closed;
  };
  return { fetch: handler, check: async () => oidc?.check(), close, [Symbol.asyncDispose]: close };
}

/**
 * `.umbel/history.db` -> `.umbel/audit.jsonl`, `.umbel/store.history.db` -> `.umbel/store.audit.jsonl`. Beside a server nothing can lie: of a history there it is
 * `.umbel/audit.jsonl`.
 */
async function besideHistory({ location }: { readonly location: string }): Promise<string> {
  if (/^\w+:\/\//.test(location)) {
    await mkdir('.umbel', { recursive: true });
    return '.umbel/audit.jsonl';
  }
  const start = location.replace(/history\.db$|\.db$/, '');
  return `${start}${/[./\\]$/.test(start) ? '' : '.'}audit.jsonl`;
}

/** Options of `new Dashboard`: of the dashboard, and of its HTTP server. */
export interface DashboardServerOptions extends DashboardOptions {
  /** Default 127.0.0.1: only this machine can connect. */
  readonly address?: string;
  /** Default 5555, as in Flower; 0: any free port. */
  readonly port?: number;
  /** PEM files of a certificate and its key. The server then speaks HTTPS. */
  readonly certfile?: string;
  /** The private key of `certfile`, a path. */
  readonly keyfile?: string;
  /** PEM file of certificate authorities. Clients must then have a certificate signed by one of them. */
  readonly caCerts?: string;
}

/** Each open page has a few connections. */
const maxConnections = 2_000;

/**
 * The dashboard with its own HTTP server.
 * @example
 * await using dashboard = new Dashboard(app);
 * await dashboard.start(); // dashboard.url
 */
export class Dashboard implements Service {
  readonly #dashboard: DashboardHandler;
  readonly #server: HttpServer;
  readonly #users: string | null;
  readonly #prefix: string;

  /** @throws ConfigError for wrong options, and for an address that others can reach without a login */
  constructor(app: App, given: DashboardServerOptions = {}) {
    const { address = '127.0.0.1', port = 5555, certfile, keyfile, caCerts, ...options } = given;
    const tls = tlsFiles({ certfile, keyfile, caCerts });
    checkExposure(address, options);
    this.#users = options.users ?? null;
    this.#prefix = resolveOptions(options).urlPrefix;
    this.#dashboard = createDashboard(app, { ...options, insecure: true }); // checkExposure has checked it
    this.#server = new HttpServer(this.#dashboard.fetch, {
      host: address,
      port,
      maxConnections,
      ...(tls !== null && { tls }),
    });
  }

  /** The address of the pages, with the `urlPrefix`: `http://127.0.0.1:5555/flower`. */
  get url(): string {
    return this.#server.url + this.#prefix;
  }

  /** @throws ConfigError when it cannot listen on the address, or read the file of users */
  async start(): Promise<void> {
    try {
      if (this.#users !== null) await checkUsers(this.#users);
      await this.#dashboard.check();
      await this.#server.start();
    } catch (error) {
      await this.#dashboard.close();
      throw error;
    }
  }

  /** Ends event streams and waiting requests, lets other requests finish, and closes. The application stays open. */
  async stop(): Promise<void> {
    const closed = this.#dashboard.close();
    await this.#server.stop();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** @throws ConfigError for a file that cannot be read, or a certificate without its key */
function tlsFiles({
  certfile,
  keyfile,
  caCerts,
}: Readonly<Record<'certfile' | 'keyfile' | 'caCerts', string | undefined>>): TlsFiles | null {
  if (certfile === undefined && keyfile === undefined && caCerts === undefined) return null;
  if (certfile === undefined || keyfile === undefined)
    throw new ConfigError('HTTPS needs a certificate and its key: --certfile and --keyfile');
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new ConfigError(`${file} cannot be read: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
    }
  };
  return { cert: read(certfile), key: read(keyfile), ...(caCerts !== undefined && { ca: read(caCerts) }) };
}
