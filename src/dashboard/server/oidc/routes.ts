// `/login` and `/logout`. Flower has its login at the same path, so a redirect URI that is registered for Flower stays.
import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { loggedProblem } from '../../../http/requests.ts';
import type { Logger } from '../../../lib/logger.ts';
import type { DashboardEnv } from '../context.ts';
import type { Account } from '../users.ts';
import type { OidcLogin } from './oidc-login.ts';

/** Mounted before the check of the login. */
export function oidcRoutes(
  oidc: OidcLogin,
  accounts: () => Promise<ReadonlyMap<string, Account>>,
  { urlPrefix, logger }: { readonly urlPrefix: string; readonly logger: Logger },
): Hono<DashboardEnv> {
  const again = `${urlPrefix}/login`;
  const routes = new Hono<DashboardEnv>();
  routes.onError((error, c) => {
    const { status, message, headers } = loggedProblem(c, error, logger);
    return page(c, status, { title: 'You are not logged in', text: message, again, headers });
  });
  return routes
    .get('/login.css', (c) => c.body(style, 200, { 'Content-Type': 'text/css; charset=utf-8' }))
    .get('/login', async (c) => {
      const isAnswer = c.req.query('code') !== undefined || c.req.query('error') !== undefined;
      return isAnswer ? oidc.finish(c.req.raw, await accounts()) : oidc.begin(c.req.query('next') ?? '');
    })
    .post('/logout', (c) => {
      const headers = { 'Set-Cookie': oidc.end(c.req.raw) };
      const text = 'The provider may still know you: log out there, too, on a machine that others use.';
      return page(c, 200, { title: 'You are logged out', text, again, headers });
    });
}

interface Page {
  readonly title: string;
  readonly text: string;
  readonly again: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function page(c: Context, status: number, { title, text, again, headers }: Page): Promise<Response> {
  const body = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>${title} · Umbel</title><link rel="stylesheet" href="${again}.css">
</head>
<body><main><h1>${title}</h1><p>${text}</p><p><a href="${again}">Log in</a></p></main></body>
</html>`;
  return c.body(String(body), status as 200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    'Cache-Control': 'no-store',
    ...headers,
  }); // any status: hono's type lists the statuses that it knows
}

/** Its own: the files of the pages are for who is logged in. */
const style = `:root { color-scheme: light dark; font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 26rem; margin: 18vh auto 0; padding: 0 1.5rem; }
h1 { margin: 0 0 .5rem; font-size: 1.4rem; }
a { display: inline-block; padding: .45rem 1rem; border-radius: 8px; background: #3451d1; color: #fff; text-decoration: none; }
`;
