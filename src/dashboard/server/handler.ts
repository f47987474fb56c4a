// The routes of the dashboard: checks, login, API, and pages.
import { Hono } from 'hono';
import { compress } from 'hono/compress';
import { secureHeaders } from 'hono/secure-headers';
import { addressOf } from '../../http/client-address.ts';
import { checkHost, checkOrigin } from '../../http/origin.ts';
import { Problem } from '../../http/problem.ts';
import { answerError, identify, logRequests } from '../../http/requests.ts';
import type { DashboardContext, DashboardEnv, DashboardRequest } from './context.ts';
import { flowerRoutes } from './flower/flower.ts';
import { healthcheck } from './healthcheck.ts';
import type { Login } from './login.ts';
import type { OidcLogin } from './oidc/oidc-login.ts';
import { oidcRoutes } from './oidc/routes.ts';
import { pageDocument } from './pages/api-routes.ts';
import { pageRoutes } from './pages/routes.ts';
import { serveAsset, servePage } from './web-files.ts';

/** The fetch handler of a dashboard. */
export function createHandler(
  context: DashboardContext,
  login: Login,
  oidc: OidcLogin | null,
): (request: Request) => Promise<Response> {
  const { urlPrefix, allowedHosts, logger } = context.settings;
  const router = new Hono<DashboardEnv>({ strict: false }).basePath(urlPrefix);

  router.use(identify());
  router.use(logRequests(logger));
  router.use(securityHeaders);
  router.use(compress()); // not the live stream: it would be held back
  router.use(async (request, next) => {
    checkHost(request.req.raw, allowedHosts);
    checkOrigin(request.req.raw, []);
    await next();
  });
  router.get('/healthcheck', (request) => healthcheck(request, context));
  if (oidc !== null)
    router.route(
      '/',
      oidcRoutes(oidc, () => login.accounts(), context.settings),
    );
  router.use(async (request, next) => {
    const identified = await login.identify(request.req.raw).catch((error: unknown) => {
      if (oidc !== null && isPage(request) && error instanceof Problem && error.status === 401) return null;
      throw error;
    });
    if (identified === null) {
      const { pathname, search } = new URL(request.req.url);
      return request.redirect(`${urlPrefix}/login?${new URLSearchParams({ next: pathname + search })}`, 303);
    }
    const { user, hasSession } = identified;
    request.set('user', user);
    request.set('hasSession', hasSession);
    request.set('isLoggedIn', () =>
      login.identify(request.req.raw).then(
        () => true,
        (error: unknown) => !(error instanceof Problem && error.status === 401),
      ),
    );
    request.set('audit', async (action, target, reason = '') => {
      const address = addressOf(request.req.raw) ?? '';
      const entry = {
        at: new Date().toISOString(),
        user: user.name,
        role: user.role + (user.changes ?? ''),
        action,
        target,
        reason,
        address,
      };
      await context.auditLog.add(entry);
      logger.info(entry, `${user.name}: ${action} ${target}${reason && ` (${reason})`}`);
    });
    await context.app.audit.without(next); // the routes write their actions
    return undefined;
  });

  const pages = pageRoutes(context);
  router.get('/api/v1/openapi.json', async ({ json }) =>
    json(await pageDocument(pages, context, login.required)),
  );
  router.route('/api/v1', pages);
  router.route('/', flowerRoutes(context));
  router.all('/api/*', ({ req }) => {
    throw new Problem(404, `nothing is at ${req.path}`);
  });
  router.get('/assets/:file', serveAsset);
  router.get('*', (request) => servePage(request, urlPrefix));
  router.notFound((request) =>
    answerError(request, new Problem(404, `nothing is at ${request.req.path}`), logger),
  );
  router.onError((error, request) => answerError(request, error, logger));
  return async (request) => router.fetch(request);
}

/** A person opens a page: nothing that a program asks for. */
function isPage({ req }: DashboardRequest): boolean {
  return (
    req.method === 'GET' &&
    req.header('accept')?.includes('text/html') === true &&
    !req.header('authorization')
  );
}

const securityHeaders = secureHeaders({
  // The page sets its own policy.
  overwrite: false,
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: 'DENY',
  // Only a proxy in front knows whether clients use TLS.
  strictTransportSecurity: false,
});
