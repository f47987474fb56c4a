import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import {
  createGateway,
  type Gateway,
  GatewayServer,
  type GatewayServerOptions,
} from '../../src/gateway/gateway.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { Worker } from '../../src/worker/worker.ts';

/** The URL of a store that nobody else has. */
export async function newStore(kind: 'memory' | 'sqlite'): Promise<string> {
  if (kind === 'memory') return `memory://${crypto.randomUUID()}`;
  const folder = await mkdtemp(join(tmpdir(), 'umbel-gateway-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return `sqlite://${join(folder, 'store.db')}`;
}

/** An application that is closed when the test ends. Without a broker it is private to the test. */
export function newApp(options: AppOptions = {}): App {
  const app = new App('shop', { broker: 'memory://', ...options });
  onTestFinished(() => app.close());
  return app;
}

/** A gateway that is closed when the test ends. */
export function newGateway(app: App, options: GatewayOptions = {}): Gateway {
  const gateway = createGateway(app, { insecure: true, ...options });
  onTestFinished(() => gateway.close());
  return gateway;
}

/** A gateway on a free port, stopped when the test ends. */
export async function startServer(app: App, options: GatewayServerOptions = {}): Promise<GatewayServer> {
  const server = new GatewayServer(app, { port: 0, ...options });
  onTestFinished(() => server.stop());
  await server.start();
  return server;
}

/** Runs what is sent. */
export async function startWorker(app: App): Promise<void> {
  const worker = new Worker(app, { name: 'celery@here' });
  onTestFinished(() => worker.stop({ cold: true }));
  await worker.start();
}

export type Headers = Readonly<Record<string, string>>;

export function get(gateway: Gateway, path: string, headers: Headers = {}): Promise<Response> {
  return gateway.fetch(new Request(`http://localhost${path}`, { headers }));
}

/** Posts `body` as JSON; text is sent as it is. */
export function post(
  gateway: Gateway,
  path: string,
  body?: unknown,
  headers: Headers = {},
): Promise<Response> {
  return gateway.fetch(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  );
}

/** What an answer's body says, when it is one of ours. */
export interface Answer {
  readonly id: string;
  readonly task: string;
  readonly status: string | number;
  readonly links: Readonly<Record<string, string>>;
  readonly result: unknown;
  readonly error: { readonly type: string; readonly message: string; readonly traceback?: string };
  readonly progress: unknown;
  readonly detail: string;
  readonly requestId: string;
  readonly code: string;
  readonly errors: readonly {
    readonly path?: string;
    readonly parameter?: string;
    readonly message: string;
  }[];
}

export async function read(response: Response | Promise<Response>): Promise<Answer> {
  return (await (await response).json()) as Answer; // the test says what it expects of it
}

/** Sends a call that must be accepted; its id. */
export async function send(
  gateway: Gateway,
  path: string,
  body?: unknown,
  headers: Headers = {},
): Promise<string> {
  const response = await post(gateway, path, body, headers);
  const answer = await read(response);
  if (response.status !== 202) throw new Error(`${response.status}: ${answer.detail}`);
  return answer.id;
}

/** The problem of an answer, which must be one. */
export async function problem(response: Response | Promise<Response>): Promise<Answer> {
  const answered = await response;
  const type = answered.headers.get('content-type');
  if (type !== 'application/problem+json') throw new Error(`${answered.status} is no problem but ${type}`);
  return read(answered);
}

/** How many messages wait in the queue. */
export async function waiting(app: App, queue = 'celery'): Promise<number> {
  const { ready, scheduled } = await (await app.broker()).size(queue);
  return ready + scheduled;
}

/** Counts who watches results in this application. */
export async function countWatches(app: App): Promise<() => number> {
  const backend = await app.backend();
  let watching = 0;
  const watch = backend?.watch.bind(backend);
  if (backend && watch)
    backend.watch = async function* (id, signal) {
      watching++;
      try {
        yield* watch(id, signal);
      } finally {
        watching--;
      }
    };
  return () => watching;
}
