// Middleware around sending: `app.use({ send })`.
import { MiddlewareError } from '../errors.ts';
import { type Layer, MisusedNext, wrapped } from '../lib/wrap.ts';
import type { TaskMessage } from '../protocol/message.ts';
import { noKwargs } from './arguments.ts';
import type { PreparedCall } from './prepare.ts';

/** A call that is about to be sent. */
export interface OutgoingCall {
  readonly message: TaskMessage;
  readonly queue: string;
  /** The user's own headers, which travel with the message. They may be added to. */
  readonly headers: Record<string, unknown>;
}

export type SendLayer = Layer<readonly OutgoingCall[], void>;

/**
 * Sends calls within the layers.
 * @throws MiddlewareError when a layer returns without having called `next`, calls it twice, or does not wait for it; what layers throw
 */
export async function withinLayers<Sent>(
  layers: readonly SendLayer[],
  calls: readonly PreparedCall[],
  send: (calls: readonly PreparedCall[]) => Sent | Promise<Sent>,
): Promise<Sent> {
  const outgoing = calls.map(({ message, queue }) => ({ message, queue, headers: { ...message.headers } }));
  const done: { sent: { readonly value: Sent } | null } = { sent: null };
  try {
    await wrapped(layers, outgoing, async () => {
      const value = await send(calls.map((call, n) => withHeadersOf(call, outgoing[n])));
      done.sent = { value };
    });
  } catch (error) {
    if (error instanceof MisusedNext) throw new MiddlewareError(`the middleware's send(): ${error.message}`);
    throw error;
  }
  // Nothing is dropped in silence: a layer that wants to refuse a call throws.
  if (done.sent === null)
    throw new MiddlewareError("the middleware's send() returned without next(): nothing was sent");
  return done.sent.value;
}

function withHeadersOf(call: PreparedCall, outgoing: OutgoingCall | undefined): PreparedCall {
  const headers = outgoing?.headers ?? {};
  return {
    ...call,
    message: { ...call.message, headers: Object.keys(headers).length === 0 ? noKwargs : headers },
  };
}
