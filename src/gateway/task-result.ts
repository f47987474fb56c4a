import { jsonContent } from '../http/openapi.ts';
import { Problem } from '../http/problem.ts';
import { toMs } from '../lib/duration.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import { findRecord, requireBackend } from './find-record.ts';
import { problems, ref } from './openapi.ts';
import { type GatewayState, type HttpRoute, json, type RequestContext } from './route.ts';
import { idParameter } from './show-task.ts';
import { viewOf } from './task-view.ts';

/**
 * `GET /tasks/{id}/result?wait=`: 200 when the call has ended, well or badly; 202 when it has not. That a task failed is
 * a result: the request for it did not fail.
 */
export const taskResult: HttpRoute = {
  method: 'GET',
  path: '/tasks/:id/result',
  handle,
  describe: ({ settings }) => ({
    '/tasks/{id}/result': {
      operationId: 'taskResult',
      summary: 'The result of a call, waiting for it',
      tags: ['Results'],
      parameters: [
        idParameter,
        {
          name: 'wait',
          in: 'query',
          description: `Wait for the end: seconds, or text like '10s'; default 0, at most ${settings.maxWaitMs / 1000} s.`,
          schema: { type: 'string', examples: ['10'] },
        },
      ],
      responses: {
        200: {
          description: 'It has ended: `result` with SUCCESS, `error` with FAILURE and REVOKED.',
          content: jsonContent(ref('Task')),
        },
        202: { description: 'It has not ended yet.', content: jsonContent(ref('Task')) },
        ...problems(400, 401, 404, 429, 503),
      },
    },
  }),
};

async function handle(request: RequestContext, gateway: GatewayState): Promise<Response> {
  const { settings } = gateway;
  const waitMs = readWait(new URL(request.req.url).searchParams, settings.maxWaitMs);
  const first = await findRecord(gateway, request.req.param('id') ?? '');
  const record =
    isReady(first.status) || waitMs === 0 ? first : await waitFor(request, gateway, first, waitMs);
  return json(request, isReady(record.status) ? 200 : 202, viewOf(record, settings.tracebacks));
}

/** The newest record when the call has ended, the time is over, the client has gone or the gateway stops. */
async function waitFor(
  request: RequestContext,
  gateway: GatewayState,
  first: ResultRecord,
  waitMs: number,
): Promise<ResultRecord> {
  const backend = await requireBackend(gateway);
  const wait = gateway.waits.begin(request.req.raw);
  const timer = setTimeout(wait.end, waitMs);
  let newest = first;
  try {
    for await (const record of backend.watch(first.taskId, wait.signal)) newest = record;
    return newest;
  } finally {
    clearTimeout(timer);
    wait.end();
  }
}

function readWait(query: URLSearchParams, maxWaitMs: number): number {
  const text = query.get('wait') ?? '0';
  let ms: number;
  try {
    ms = toMs(/^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);
  } catch {
    ms = Number.NaN;
  }
  if (ms >= 0) return Math.min(ms, maxWaitMs);
  const message = "must be seconds or text like '10s'";
  throw new Problem(400, `the query has a wrong parameter: wait ${message}`, {
    errors: [{ parameter: 'wait', message }],
  });
}
