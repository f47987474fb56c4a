// What a route is: what it answers to, its code, and what the API's description says of it.
import type { Context } from 'hono';
import type { App } from '../app/app.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Operation } from './openapi.ts';
import type { GatewaySettings } from './options.ts';
import { toPlainJson } from './plain-json.ts';
import type { Waits } from './waits.ts';

/** What every handler works with. */
export interface GatewayState {
  readonly app: App;
  readonly settings: GatewaySettings;
  readonly keys: ApiKeys;
  readonly waits: Waits;
  readonly routes: readonly HttpRoute[];
}

/** One request on its way. */
export type RequestContext = Context<RequestEnv>;

/** What a request gathers on its way (hono's term is environment). */
export interface RequestEnv {
  Variables: {
    requestId: string;
    /** Who asks: a name of the API key. */
    caller: string;
  };
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST';
  /** In hono's form: `/tasks/:id`. */
  readonly path: string;
  /** Answered without an API key. It must say nothing about the application. */
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

/** The path of a task's resource, as clients ask for it. */
export function taskPath({ settings }: GatewayState, id: string): string {
  return `${settings.basePath}/tasks/${encodeURIComponent(id)}`;
}
