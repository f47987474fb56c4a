// From a request to its answer: checks who may ask, finds the route, and turns errors into problem documents.
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { uuid7 } from '../lib/uuid.ts';
import { checkHost, checkOrigin } from './origin.ts';
import { toPlainJson } from './plain-json.ts';
import { Problem, toDocument, toProblem } from './problem.ts';
import type { GatewayState, HttpRoute, RequestContext, RequestEnv } from './route.ts';

/** The fetch handler of a gateway. */
export function createHandler(gateway: GatewayState): (request: Request) => Promise<Response> {
  const { settings, routes } = gateway;
  const { allowedHosts, cors: origins, logger } = settings;
  const router = new Hono<RequestEnv>({ strict: false }).basePath(settings.basePath);

  router.use(requestId({ generator: () => uuid7(), limitLength: 128 }));
  router.use(async (request, next) => {
    const begun = performance.now();
    await next();
    // Monitors read every few seconds; calls and failures are what matters in the log.
    const level = request.req.method !== 'POST' && request.res.status < 400 ? 'debug' : 'info';
    if (logger.isLevelEnabled?.(level) === false) return;
    logger[level](
      {
        request_id: request.get('requestId'),
        method: request.req.method,
        path: request.req.path,
        status: request.res.status,
        ms: Math.round(performance.now() - begun),
      },
      `${request.req.method} ${request.req.path} ${request.res.status}`,
    );
  });
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
    router.all(path, ({ req }) => {
      throw new Problem(405, `${req.method} is not for this path; it answers to ${allow}`, {
        headers: { Allow: allow },
      });
    });
  }
  router.notFound((request) =>
    failed(
      request,
      gateway,
      new Problem(404, `nothing is at ${request.req.path}; see ${settings.basePath}/docs`),
    ),
  );
  router.onError((error, request) => failed(request, gateway, error));
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

function failed(request: RequestContext, { settings }: GatewayState, error: unknown): Response {
  const problem = toProblem(error);
  const requestId = request.get('requestId');
  if (problem.status >= 500 && !request.req.raw.signal.aborted) {
    settings.logger.error(
      { err: problem.cause ?? problem, request_id: requestId },
      `${request.req.method} ${request.req.path} failed: ${String(problem.cause ?? problem.message)}`,
    );
  }
  return request.body(
    toPlainJson(toDocument(problem, request.req.path, requestId)),
    problem.status as 500, // any status: hono's type has only those that it knows
    { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...problem.headers },
  );
}
