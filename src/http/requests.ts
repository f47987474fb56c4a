// What every server of ours does with a request: gives it an id, logs it, and answers an error by a problem document.
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

/** Takes over an `X-Request-Id`, or makes one. */
export function identify(): MiddlewareHandler {
  return requestId({ generator: () => uuid7(), limitLength: 128 });
}

export function logRequests(logger: Logger): MiddlewareHandler<IdentifiedEnv> {
  return async (request, next) => {
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
  };
}

/** The answer to an error: what is no fault of the client is logged. */
export function answerError<Env extends IdentifiedEnv>(
  request: Context<Env>,
  error: unknown,
  logger: Logger,
): Response {
  const problem = loggedProblem(request, error, logger);
  return request.body(
    toPlainJson(toDocument(problem, request.req.path, request.get('requestId'))),
    problem.status as 500, // any status: hono's type has only those that it knows
    { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...problem.headers },
  );
}

/** The same for an answer of another form. */
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
