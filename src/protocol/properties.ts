// The properties of a message as a map with their names on the wire, as Celery's tasks see them.
import { textOr } from '../lib/narrow.ts';
import type { DeliveryInfo, Json, WireProperties } from './message.ts';
import { isMap } from './refusal.ts';

/** The properties that the message has. */
export function propertiesMap(properties: WireProperties): Json {
  const { correlationId, replyTo, priority, deliveryMode, expiration, deliveryTag, deliveryInfo, other } =
    properties;
  return {
    ...other,
    correlation_id: correlationId,
    reply_to: replyTo,
    priority,
    delivery_mode: deliveryMode,
    ...(expiration !== null && { expiration }),
    ...(deliveryTag !== null && { delivery_tag: deliveryTag }),
    delivery_info: deliveryInfo,
  };
}

/** Reads properties. Values of a wrong type are replaced by defaults. */
export function readProperties(map: Json): WireProperties {
  const other: Record<string, unknown> = {};
  for (const key in map) {
    if (!knownProperties.has(key) && key !== '__proto__') other[key] = map[key];
  }
  return {
    correlationId: textOr(map.correlation_id, null),
    replyTo: textOr(map.reply_to, null),
    priority: typeof map.priority === 'number' && Number.isSafeInteger(map.priority) ? map.priority : 0,
    deliveryMode: map.delivery_mode === 1 ? 1 : 2,
    expiration: textOr(map.expiration, null),
    deliveryTag: textOr(map.delivery_tag, null),
    deliveryInfo: readDeliveryInfo(map.delivery_info),
    other,
  };
}

function readDeliveryInfo(value: unknown): DeliveryInfo {
  if (!isMap(value)) return { exchange: '', routing_key: '' };
  const info = { exchange: textOr(value.exchange, ''), routing_key: textOr(value.routing_key, '') };
  return value.redelivered === true ? { ...info, redelivered: true } : info;
}

/** The properties that have a field of their own. */
export const knownProperties: ReadonlySet<string> = new Set([
  'correlation_id',
  'reply_to',
  'priority',
  'delivery_mode',
  'expiration',
  'delivery_tag',
  'delivery_info',
  'body_encoding',
]);
