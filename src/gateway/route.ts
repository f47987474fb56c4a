// The definition of a route: its path, its code, and its description for the API's document.
import type { Context } from 'hono';
import type { App } from '../app/app.ts';
import type { Operation } from '../http/openapi.ts';
import { toPlainJson } from '../http/plain-json.ts';
import type { ApiKeys } from './api-keys.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { GatewaySettings } from './options.ts';
import type { Waits } from './waits.ts';

/** What every handler uses. */
export interface GatewayState {
  readonly app: App;
  readonly settings: GatewaySettings;
  readonly keys: ApiKeys;
  readonly waits: Waits;
  readonly metrics: GatewayMetrics;
  readonly routes: readonly HttpRoute[];
}

/** A request, while it is handled. */
export type RequestContext = Context<RequestEnv>;

/** Values that are added to a request (hono calls them environment). */
export interface RequestEnv {
  Variables: {
    requestId: string;
    /** The caller: a name of the API key. */
    caller: string;
    /** The path of its route, as the route has it; none: nothing is at its path. */
    route?: string;
  };
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST';
  /** In hono's form: `/tasks/:id`. */
  readonly path: string;
  /** Answered without an API key. It must reveal nothing about the application. */
  readonly open?: boolean;
  readonly handle: (request: RequestContext, gateway: GatewayState) => Response | Promise<Response>;
  /** Its operations in the OpenAPI document, by path; none: it is for people, not for programs. */
  readonly describe?: (gateway: GatewayState) => Readonly<Record<string, Operation>>;
}

/** An answer with a JSON body. */
export function json(
  request: RequestContext,
  status: 200 | 202 | 503,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return request.body(toPlainJson(value), status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    ...headers,
  });
}

/** The path of a task's resource, for clients. */
export function taskPath({ settings }: GatewayState, id: string): string {
  return `${settings.basePath}/tasks/${encodeURIComponent(id)}`;
}
