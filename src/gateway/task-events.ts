import { createHash } from 'node:crypto';
import { eventStream, type ServerSentEvent } from '../http/event-stream.ts';
import { toPlainJson } from '../http/plain-json.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import { findRecord, requireBackend } from './find-record.ts';
import { problems } from './openapi.ts';
import type { GatewayState, HttpRoute, RequestContext } from './route.ts';
import { idParameter } from './show-task.ts';
import { isOwnState, viewOf } from './task-view.ts';

/**
 * `GET /tasks/{id}/events`: the call's state now and after each change, as server-sent events, until it has ended.
 * Changes that follow each other fast may be skipped, but never the last. The stream ends early when the
 * gateway stops; a client then reconnects, and `Last-Event-ID` names the last event that it has seen.
 */
export const taskEvents: HttpRoute = {
  method: 'GET',
  path: '/tasks/:id/events',
  handle,
  describe: () => ({
    '/tasks/{id}/events': {
      operationId: 'taskEvents',
      summary: 'State and progress of a call, live',
      description:
        'Server-sent events: `state` with what GET /tasks/{id} would say, and `progress` while the task tells about itself. Ends with the final state.',
      tags: ['Results'],
      parameters: [
        idParameter,
        {
          name: 'Last-Event-ID',
          in: 'header',
          description: 'The last event that was seen; it is not sent again.',
          schema: { type: 'string' },
        },
      ],
      responses: {
        200: {
          description: 'The stream.',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        204: { description: 'The call has ended, and the client has seen how: it need not come back.' },
        ...problems(401, 404, 429, 503),
      },
    },
  }),
};

async function handle(request: RequestContext, gateway: GatewayState): Promise<Response> {
  const first = await findRecord(gateway, request.req.param('id') ?? '');
  const seen = request.req.header('last-event-id');
  const { tracebacks, heartbeatMs } = gateway.settings;
  // An EventSource reconnects whenever a stream ends, unless the answer says that there is nothing more.
  if (isReady(first.status) && toEvent(first, tracebacks).id === seen) return request.body(null, 204);
  const headers = {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no', // nginx would wait for more
  };
  // hono answers HEAD like GET without the body, and a stream without a reader would never end.
  if (request.req.method === 'HEAD') return request.body(null, 200, headers);
  const backend = await requireBackend(gateway);
  const wait = gateway.waits.begin(request.req.raw);
  const events = changes(first, backend.watch(first.taskId, wait.signal), tracebacks, seen);
  return request.body(
    eventStream(events, { heartbeatMs, signal: wait.signal, onEnd: wait.end }),
    200,
    headers,
  );
}

async function* changes(
  first: ResultRecord,
  records: AsyncIterable<ResultRecord>,
  tracebacks: boolean,
  lastSeen: string | undefined,
): AsyncIterable<ServerSentEvent> {
  let seen = lastSeen;
  const unseen = (record: ResultRecord): ServerSentEvent | undefined => {
    const event = toEvent(record, tracebacks);
    if (event.id === seen) return undefined;
    seen = event.id;
    return event;
  };
  // Said even if the backend has no record of it yet (it is then PENDING).
  const now = unseen(first);
  if (now) yield now;
  for await (const record of records) {
    const event = unseen(record);
    if (event) yield event;
  }
}

/** The id of an event is a digest of its content. */
function toEvent(record: ResultRecord, tracebacks: boolean): ServerSentEvent {
  const data = toPlainJson(viewOf(record, tracebacks));
  return {
    event: isOwnState(record.status) ? 'progress' : 'state',
    id: createHash('sha256').update(data).digest('hex').slice(0, 16),
    data,
  };
}
