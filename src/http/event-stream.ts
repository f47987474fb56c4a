// Server-sent events, as the HTML standard's EventSource reads them.

export interface ServerSentEvent {
  readonly event: string;
  /** A client that reconnects sends the id of its last event. Must not have line breaks. */
  readonly id: string;
  /** JSON on one line. */
  readonly data: string;
}

interface EventStreamOptions {
  readonly heartbeatMs: number;
  /** Ends the stream. It must also end the source of the events. */
  readonly signal: AbortSignal;
  /** Called once, when the stream has ended or failed, or the client has disconnected. */
  readonly onEnd: () => void;
}

/** A response body. It takes the next event when the client has read the earlier ones. */
export function eventStream(
  events: AsyncIterable<ServerSentEvent>,
  { heartbeatMs, signal, onEnd }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]();
  let heartbeat: NodeJS.Timeout | undefined;
  let onAbort = (): void => {};
  let ended = false;
  /** Ends the stream once; false: it had already ended. */
  const finish = (): boolean => {
    if (ended) return false;
    ended = true;
    clearInterval(heartbeat);
    signal.removeEventListener('abort', onAbort);
    onEnd();
    // Lets the source clean up. Its errors are ignored, because no client reads the stream any more.
    iterator.return?.().catch(() => {});
    return true;
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`));
      heartbeat = setInterval(() => {
        // Only if the client reads: heartbeats must not pile up for a client that does not.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': still here\n\n'));
      }, heartbeatMs);
      onAbort = () => {
        if (finish()) controller.close();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    },
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (ended) return;
        if (!next.done) controller.enqueue(encoder.encode(format(next.value)));
        else if (finish()) controller.close();
      } catch (error) {
        if (finish()) controller.error(error);
      }
    },
    cancel() {
      finish();
    },
  });
}

/** How long a client waits before it reconnects, milliseconds. */
const retryMs = 1000;
const encoder = new TextEncoder();

function format({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
}
