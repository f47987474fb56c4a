// Messages of events and remote control: sent to all listeners, and not stored.
import { defaultLimits } from './limits.ts';
import type { Decoded, Json, WireMessage } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';
import { deserialize } from './serializers.ts';

/** `json`: JSON text, or its bytes. */
export function broadcastMessage(
  json: string | Buffer,
  headers: Json,
  { exchange, routingKey }: { readonly exchange: string; readonly routingKey: string },
): WireMessage {
  return {
    body: typeof json === 'string' ? Buffer.from(json, 'utf8') : json,
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers,
    properties: {
      correlationId: null,
      replyTo: null,
      priority: 0,
      deliveryMode: 1,
      expiration: null,
      deliveryTag: null,
      deliveryInfo: { exchange, routing_key: routingKey },
      other: {},
    },
  };
}

/** Reads the message's content. Never throws. `accepted`: the serializers that are read. */
export function readBroadcast(
  { body, contentType, contentEncoding }: WireMessage,
  accepted: readonly string[] = ['json'],
): Decoded<unknown> {
  return deserialize(body, contentType, contentEncoding, accepted, limits);
}

/** Like `readBroadcast`, for content that must be a map. */
export function readBroadcastMap(message: WireMessage, accepted?: readonly string[]): Decoded<Json> {
  const payload = readBroadcast(message, accepted);
  if (!payload.ok) return payload;
  return isMap(payload.value)
    ? accept(payload.value)
    : refuse('body', `the body is ${kindOf(payload.value)}, not a map`);
}

const limits = { ...defaultLimits, maxDepth: 100, maxValues: 500_000, maxKeys: 100_000 };
