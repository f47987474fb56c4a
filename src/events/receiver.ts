// Receiving a cluster's events.
import { randomUUID } from 'node:crypto';
import type { App } from '../app/app.ts';
import { requestMessage } from '../protocol/control.ts';
import { readEvents, type WireEvent } from '../protocol/event.ts';
import { processClock } from './node.ts';

/** Which events to receive. */
export interface ReceiverOptions {
  /** A pattern of routing keys: `worker.#` for events of workers. Default: all events. */
  readonly routingKey?: string;
  /** Ask all workers for a heartbeat at the start, so that they are known at once. Default true. */
  readonly wakeup?: boolean;
  /** Called with the reason when a message cannot be read. Default: it is ignored. */
  readonly onMalformed?: (detail: string) => void;
}

/** Options of a stream of events. */
export interface StreamOptions extends ReceiverOptions {
  /** Ends the stream. */
  readonly signal?: AbortSignal;
  /** How many events wait for a slow reader; above that the oldest are dropped. Default 10,000. */
  readonly most?: number;
}

/**
 * Calls `listener` with each event from now on, until the returned object is disposed. After a lost connection it subscribes again
 * by itself; events that were sent meanwhile are missed.
 * @throws BrokerUnavailable when the broker does not answer in time
 * @example
 * await using capture = await captureEvents(app, (event) => console.log(event.type, event.uuid));
 */
export async function captureEvents(
  app: App,
  listener: (event: WireEvent) => void,
  options: ReceiverOptions = {},
): Promise<AsyncDisposable> {
  const { routingKey = '#', wakeup = true, onMalformed } = options;
  const { fanout } = await app.broker();
  const wanted = {
    exchange: app.exchanges.events,
    keys: [routingKey],
    queue: `${app.config.eventQueuePrefix}.${randomUUID()}`,
    ttlMs: 5_000,
    expiresMs: 60_000,
  };
  const subscription = await fanout.subscribe(wanted, (message) => {
    const events = readEvents(message);
    if (!events.ok) return onMalformed?.(events.refusal.detail);
    for (const event of events.value) {
      processClock.adjust(event.clock);
      listener(event);
    }
  });
  if (wakeup) {
    const request = {
      method: 'heartbeat',
      arguments: {},
      destination: null,
      pattern: null,
      matcher: null,
      reply: null,
      clock: processClock.forward(),
    };
    const { control } = app.exchanges;
    await fanout.publish(control, '', requestMessage(control.name, request, 0));
  }
  return subscription;
}

/**
 * The events as a stream.
 * @example for await (const event of events(app, { signal })) console.log(event.type);
 */
export async function* events(app: App, options: StreamOptions = {}): AsyncGenerator<WireEvent, void> {
  const { signal, most = 10_000, ...rest } = options;
  let waiting: WireEvent[] = [];
  let wake: () => void = () => undefined;
  const end = (): void => wake();
  signal?.addEventListener('abort', end, { once: true });
  const listener = (event: WireEvent): void => {
    waiting.push(event);
    if (waiting.length > most) waiting = waiting.slice(-most);
    wake();
  };
  const subscription = await captureEvents(app, listener, rest);
  try {
    while (!signal?.aborted) {
      if (waiting.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal?.aborted) resolve();
        });
      for (const event of waiting.splice(0)) yield event;
    }
  } finally {
    signal?.removeEventListener('abort', end);
    await subscription[Symbol.asyncDispose]();
  }
}
