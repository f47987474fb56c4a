import { expect, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { createDashboard, type DashboardOptions } from '../../src/dashboard/server/dashboard.ts';

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What the body says as JSON; undefined: it is none. */
  readonly body: unknown;
}

export type Ask = (path: string, init?: RequestInit) => Promise<Answered>;

/** A dashboard that is closed when the test ends, and how it is asked. */
export function newDashboard(app: App, options: DashboardOptions = {}): Ask {
  const dashboard = createDashboard(app, { insecure: true, ...options });
  onTestFinished(() => dashboard.close());
  return (path, init) => answered(dashboard.fetch(new Request(`http://localhost${path}`, init)));
}

export async function answered(asking: Promise<Response>): Promise<Answered> {
  const { status, headers, ...response } = await asking.then(async (each) => ({
    status: each.status,
    headers: each.headers,
    text: await each.text(),
  }));
  const isJson = headers.get('content-type')?.includes('json') === true && response.text !== '';
  return { status, headers, text: response.text, body: isJson ? JSON.parse(response.text) : undefined };
}

/** Posts parameters as a form, or a body as curl -d does. */
export function form(parameters: Readonly<Record<string, string>> | string = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: typeof parameters === 'string' ? parameters : new URLSearchParams(parameters).toString(),
  };
}

/** What an action says when it was done. */
export async function told(asking: Promise<Answered>): Promise<unknown> {
  const { status, text, body } = await asking;
  expect(text).toMatch(/^\{"message":/);
  expect(status).toBe(200);
  return (body as { readonly message: unknown }).message;
}
