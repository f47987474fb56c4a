// Server-sent events, as the HTML standard's EventSource reads them.

export interface ServerSentEvent {
  readonly event: string;
  /** What a client that comes back says it has seen last. No line breaks. */
  readonly id: string;
  /** JSON: has no line breaks. */
  readonly data: string;
}

/**
 * A response body that takes an event whenever the client has room for one. `end` is called once: when the events end,
 * fail, or the client goes; it must make the events end.
 */
export function eventStream(
  events: AsyncIterable<ServerSentEvent>,
  { heartbeatMs, end }: { readonly heartbeatMs: number; readonly end: () => void },
): ReadableStream<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]();
  let heartbeat: NodeJS.Timeout | undefined;
  let ended = false;
  const finish = (): void => {
    ended = true;
    clearInterval(heartbeat);
    end();
    // Lets the source clean up if it is between two events. What it throws now, nobody waits for.
    iterator.return?.().catch(() => {});
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`));
      heartbeat = setInterval(() => {
        // Only to one who reads: comments must not pile up for a client that has gone to sleep.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': still here\n\n'));
      }, heartbeatMs);
    },
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (ended) return;
        if (!next.done) return controller.enqueue(encoder.encode(format(next.value)));
        finish();
        controller.close();
      } catch (error) {
        if (ended) return;
        finish();
        controller.error(error);
      }
    },
    cancel: finish,
  });
}

/** How soon a client that lost us may come back. */
const retryMs = 1000;
const encoder = new TextEncoder();

function format({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
}
