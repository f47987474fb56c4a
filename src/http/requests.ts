// Middleware of all our servers: request ids, request logs, and problem documents for errors.
import type { Context, MiddlewareHandler } from 'hono';
import { requestId } from 'hono/request-id';
import type { Logger } from '../lib/logger.ts';
import { uuid7 } from '../lib/uuid.ts';
import { toPlainJson } from './plain-json.ts';
import { type Problem, toDocument, toProblem } from './problem.ts';

/** Values that are added to a request (hono calls them environment). */
interface IdentifiedEnv {
  Variables: { requestId: string };
}

/** Uses the request's `X-Request-Id`, or creates an id. */
export function identify(): MiddlewareHandler {
  return requestId({ generator: () => uuid7(), limitLength: 128 });
}

export function logRequests(logger: Logger): MiddlewareHandler<IdentifiedEnv> {
  return async (request, next) => {
    const begun = performance.now();
    await next();
    // Monitoring reads every few seconds, so successful reads are logged at debug level.
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
  };
}

/** Responds with a problem document. Errors of the server (5xx) are logged. */
export function answerError<Env extends IdentifiedEnv>(
  request: Context<Env>,
  error: unknown,
  logger: Logger,
): Response {
  const problem = loggedProblem(request, error, logger);
  return request.body(
    toPlainJson(toDocument(problem, request.req.path, request.get('requestId'))),
    problem.status as 500, // any status: hono's type lists the statuses that it knows
    { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...problem.headers },
  );
}

/** Logs a server error, and returns the problem for a response in another format. */
export function loggedProblem<Env extends IdentifiedEnv>(
  request: Context<Env>,
  error: unknown,
  logger: Logger,
): Problem {
  const problem = toProblem(error);
  if (problem.status >= 500 && !request.req.raw.signal.aborted) {
    logger.error(
      { err: problem.cause ?? problem, request_id: request.get('requestId') },
      `${request.req.method} ${request.req.path} failed: ${String(problem.cause ?? problem.message)}`,
    );
  }
  return problem;
}
