// Server-sent events, as the HTML standard's EventSource reads them.

export interface ServerSentEvent {
  readonly event: string;
  /** A client that connects again sends the id that it has seen last. No line breaks. */
  readonly id: string;
  /** JSON: has no line breaks. */
  readonly data: string;
}

/** The life of a stream. */
interface EventStreamOptions {
  readonly heartbeatMs: number;
  /** Ends the stream; must end the events, too. */
  readonly signal: AbortSignal;
  /** Called once, when the stream has ended or failed, or its reader is gone. */
  readonly onEnd: () => void;
}

/** A response body that takes the next event when its reader has room for it. */
export function eventStream(
  events: AsyncIterable<ServerSentEvent>,
  { heartbeatMs, signal, onEnd }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]();
  let heartbeat: NodeJS.Timeout | undefined;
  let onAbort = (): void => {};
  let ended = false;
  /** False: it had ended before. */
  const finish = (): boolean => {
    if (ended) return false;
    ended = true;
    clearInterval(heartbeat);
    signal.removeEventListener('abort', onAbort);
    onEnd();
    // Lets the source clean up if it is between two events. An error of that has no reader any more.
    iterator.return?.().catch(() => {});
    return true;
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`));
      heartbeat = setInterval(() => {
        // Only if the client reads: comments must not pile up for a client that sleeps.
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

/** When a client connects again after a lost connection, milliseconds. */
const retryMs = 1000;
const encoder = new TextEncoder();

function format({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
}
