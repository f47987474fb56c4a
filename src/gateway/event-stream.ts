// Server-sent events, as the HTML standard's EventSource reads them.

export interface ServerSentEvent {
  readonly event: string;
  /** What a client that comes back says it has seen last. No line breaks. */
  readonly id: string;
  /** JSON: has no line breaks. */
  readonly data: string;
}

/** Where and how long a stream goes. */
interface EventStreamOptions {
  readonly heartbeatMs: number;
  /** Ends the stream; must end the events, too. */
  readonly signal: AbortSignal;
  /** Called once, when the stream has ended, failed, or its reader has gone. */
  readonly onEnd: () => void;
}

/** A response body that takes an event whenever its reader has room for one. */
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
    // Lets the source clean up if it is between two events. What it throws now, nobody waits for.
    iterator.return?.().catch(() => {});
    return true;
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`));
      heartbeat = setInterval(() => {
        // Only to one who reads: comments must not pile up for a client that has gone to sleep.
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

/** How soon a client that lost us may come back. */
const retryMs = 1000;
const encoder = new TextEncoder();

function format({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
}
