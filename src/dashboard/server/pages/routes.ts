// What the pages ask the server for. The browser's client takes its types from here.
import { Hono } from 'hono';
import { version } from '../../../lib/version.ts';
import type { DashboardContext, DashboardEnv } from '../context.ts';

/** Mounted at `<prefix>/api/v1`, behind the login. */
export function pageRoutes({ settings }: DashboardContext) {
  return new Hono<DashboardEnv>().get('/me', ({ json, var: { user } }) =>
    json({ user: user.name, role: user.role, readOnly: settings.readOnly, version }),
  );
}
