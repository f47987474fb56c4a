// From a request to its answer.
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { checkHost, checkOrigin } from '../../http/origin.ts';
import { Problem } from '../../http/problem.ts';
import { answerError, identify, logRequests } from '../../http/requests.ts';
import type { DashboardContext, DashboardEnv } from './context.ts';
import { flowerRoutes } from './flower/flower.ts';
import { pageRoutes } from './pages/routes.ts';
import { serveAsset, servePage } from './web-files.ts';

/** The fetch handler of a dashboard. */
export function createHandler(context: DashboardContext): (request: Request) => Promise<Response> {
  const { urlPrefix, allowedHosts, logger } = context.settings;
  const router = new Hono<DashboardEnv>({ strict: false }).basePath(urlPrefix);

  router.use(identify());
  router.use(logRequests(logger));
  router.use(securityHeaders);
  router.use(async (request, next) => {
    checkHost(request.req.raw, allowedHosts);
    checkOrigin(request.req.raw, []);
    await next();
  });
  router.use(async (request, next) => {
    const user = { name: 'anybody', role: 'admin' } as const;
    request.set('user', user);
    request.set('audit', async (action, target, reason = '') => {
      logger.info({ user: user.name, action, target, reason }, `${user.name}: ${action} ${target} ${reason}`);
    });
    await next();
  });

  router.route('/api/v1', pageRoutes(context));
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

const securityHeaders = secureHeaders({
  // The page sets its own.
  overwrite: false,
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: 'DENY',
  // Only the server in front knows whether it is reached by TLS.
  strictTransportSecurity: false,
});
