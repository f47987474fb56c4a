// From a request to its answer: checks who may ask, finds the route, and turns errors into problem documents.
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { secureHeaders } from 'hono/secure-headers';
import { checkHost, checkOrigin } from '../http/origin.ts';
import { Problem } from '../http/problem.ts';
import { answerError, identify, logRequests } from '../http/requests.ts';
import type { GatewayState, HttpRoute, RequestContext, RequestEnv } from './route.ts';

/** The fetch handler of a gateway. */
export function createHandler(gateway: GatewayState): (request: Request) => Promise<Response> {
  const { settings, routes } = gateway;
  const { allowedHosts, cors: origins, logger } = settings;
  const router = new Hono<RequestEnv>({ strict: false }).basePath(settings.basePath);

  router.use(async (request, next) => {
    const begun = performance.now();
    await next();
    const seconds = (performance.now() - begun) / 1000;
    gateway.metrics.answered(request.get('route'), request.req.method, request.res.status, seconds);
  });
  router.use(identify());
  router.use(logRequests(logger));
  router.use(securityHeaders);
  router.use(async (request, next) => {
    checkHost(request.req.raw, allowedHosts);
    await next();
  });
  if (origins.length > 0) router.use(cors({ origin: [...origins], ...corsRules }));
  router.use(async (request, next) => {
    checkOrigin(request.req.raw, origins);
    await next();
  });

  for (const [path, own] of byPath(routes)) {
    for (const route of own) {
      router.on(route.method, path, async (request) => {
        request.set('route', path);
        if (route.open !== true) authenticate(request, gateway);
        try {
          return await route.handle(request, gateway);
        } catch (error) {
          // hono gives only Errors to onError, and a schema of the user's may throw anything.
          throw error instanceof Error ? error : new Error(`thrown: ${String(error)}`, { cause: error });
        }
      });
    }
    const allow = own.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
    router.all(path, (request) => {
      const { req } = request;
      request.set('route', path);
      throw new Problem(405, `${req.method} is not for this path; it answers to ${allow}`, {
        headers: { Allow: allow },
      });
    });
  }
  router.notFound((request) =>
    answerError(
      request,
      new Problem(404, `nothing is at ${request.req.path}; see ${settings.basePath}/docs`),
      logger,
    ),
  );
  router.onError((error, request) => answerError(request, error, logger));
  return async (request) => router.fetch(request);
}

const securityHeaders = secureHeaders({
  // The docs page sets its own.
  overwrite: false,
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: 'DENY',
  // Only the server in front knows whether it is reached by TLS.
  strictTransportSecurity: false,
});

const corsRules = {
  allowMethods: ['GET', 'HEAD', 'POST'],
  allowHeaders: [
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'Last-Event-ID',
    'X-API-Key',
    'X-Request-Id',
  ],
  exposeHeaders: ['Location', 'Retry-After', 'X-Request-Id'],
  maxAge: 600,
};

function byPath(routes: readonly HttpRoute[]): Map<string, HttpRoute[]> {
  const paths = new Map<string, HttpRoute[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  return paths;
}

function authenticate(request: RequestContext, { keys }: GatewayState): void {
  const caller = keys.callerOf(request.req.raw.headers);
  if (caller === null) {
    throw new Problem(401, 'an API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY', {
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
  }
  request.set('caller', caller);
}
