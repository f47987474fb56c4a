// The stream of changes to an open page.
import { eventStream, type ServerSentEvent } from '../../../http/event-stream.ts';
import type { DashboardRequest } from '../context.ts';
import type { LiveDelta, LiveFeed } from './live-feed.ts';
import type { QueueWatch } from './queues.ts';

const heartbeatMs = 15_000;
/** How often a stream asks whether its user may still log in. */
const checkLoginMs = 1_000;

/** The changes of a feed as server-sent events, until the user leaves, may not log in any more, or the dashboard closes. */
export function liveStream(
  c: DashboardRequest,
  feed: LiveFeed,
  queues: QueueWatch,
  closing: AbortSignal,
): Response {
  const headers = {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no', // nginx would buffer the events
  };
  // hono answers HEAD by calling the GET route without reading the body: the stream would never end.
  if (c.req.method === 'HEAD') return c.body(null, 200, headers);
  const leaving = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, closing, leaving.signal]);
  const body = eventStream(
    events(feed.read(signal), () => void queues.sample(), c.var.isLoggedIn),
    { heartbeatMs, signal, onEnd: () => leaving.abort() },
  );
  return c.body(body, 200, headers);
}

async function* events(
  deltas: AsyncIterable<LiveDelta>,
  sample: () => void,
  isLoggedIn: () => Promise<boolean>,
): AsyncGenerator<ServerSentEvent, void> {
  let checkedAt = performance.now();
  for await (const delta of deltas) {
    if (performance.now() - checkedAt >= checkLoginMs) {
      if (!(await isLoggedIn())) return;
      checkedAt = performance.now();
    }
    sample();
    yield { event: 'delta', id: String(delta.at), data: JSON.stringify(delta) };
  }
}
